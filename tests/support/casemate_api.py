"""Our API server in a process of its own, with a store in a folder; no engine around it."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.processes import ending_with_us

if TYPE_CHECKING:
    from pathlib import Path

_READY_SECONDS = 30.0
_CHILD = """
import asyncio, sys
from pathlib import Path
from casemate.engine.api_service import ApiOptions, ApiService
from casemate.apiserver.reply import tree_reply

async def no_pods(call, resource):
    metadata = {"resourceVersion": "1"}
    return tree_reply({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": []})

async def main(folder):
    options = ApiOptions(data_dir=folder / "data", keys_dir=folder / "data/keys")
    # Opened twice: what was written the first time is before all that a watch can still see.
    async with ApiService(options):
        pass
    async with ApiService(options) as service:
        await service.serve({("", "pods", ""): no_pods})
        written = folder / "kubeconfig.new"
        written.touch(mode=0o600)
        written.write_text(service.kubeconfig())
        written.rename(folder / "kubeconfig")
        await asyncio.Event().wait()

asyncio.run(main(Path(sys.argv[1])))
"""


class NotReady(Exception):
    """The server did not come up; the message holds the end of its log."""


@dataclass
class CasemateApi:
    """Use it in a `with` block."""

    folder: Path

    def __enter__(self) -> CasemateApi:
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ending_with_us([sys.executable, "-c", _CHILD, str(self.folder)]),
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        end = time.monotonic() + _READY_SECONDS
        while not self.kubeconfig.is_file():
            if self._process.poll() is not None or time.monotonic() > end:
                self.__exit__()
                raise NotReady((self.folder / "log").read_text(errors="replace")[-3000:])
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"
