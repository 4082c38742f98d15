"""From saving a handler to the first reply of the new code, and whether a call failed meanwhile."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.harness.engine import CASEMATE, RunningEngine

SAVES = 10
_SOURCES = {
    "python313": ("handler.py", "def main(event, context):\n    return 'vNUMBER'\n"),
    "nodejs24": ("handler.js", "module.exports = { main: () => 'vNUMBER' };\n"),
}
_PAUSE_SECONDS = 0.5


def measure(runtime: str) -> dict[str, object]:
    """Save ten times, polling all the while."""
    folder = Path(tempfile.mkdtemp(prefix="casemate-reload-")) / "saved"
    subprocess.run(
        [CASEMATE, "init", str(folder), "--runtime", runtime], check=True, capture_output=True
    )
    name, source = _SOURCES[runtime]
    (folder / name).write_text(source.replace("NUMBER", "0"))
    times, failed = [], 0
    with RunningEngine(folder, names=("saved",)) as engine:
        grant = engine.token("saved")
        connection = HTTPConnection(urlsplit(grant["url"]).netloc, timeout=10)
        headers = {"authorization": f"Bearer {grant['token']}"}
        for number in range(1, SAVES + 1):
            time.sleep(_PAUSE_SECONDS)
            began = time.perf_counter()
            (folder / name).write_text(source.replace("NUMBER", str(number)))
            body = b""
            while body != f"v{number}".encode():
                connection.request("GET", urlsplit(grant["url"]).path, headers=headers)
                reply = connection.getresponse()
                body = reply.read()
                failed += reply.status != 200
            times.append((time.perf_counter() - began) * 1000)
        connection.close()
    shutil.rmtree(folder.parent)
    return {
        "what": f"save to new code answering, {runtime}, {SAVES} saves",
        "p50_ms": round(statistics.median(times), 1),
        "max_ms": round(max(times), 1),
        "errors": failed,
    }
