"""What `casemate run` says while it runs: steps, states, log lines. Talk, so it goes to stderr."""

from __future__ import annotations

import time
from typing import Any, TextIO

from casemate.api.meta import FunctionRef
from casemate.engine.local import LocalEngine
from casemate.errors import CasemateError
from casemate.node.foreign_text import terminal_safe
from casemate.node.log_hub import LogHub

_POLL_SECONDS = 0.2
_SHORT_ID = 8


class RunReport:
    """Writes lines; a line never depends on the one before it, so `| grep` works."""

    def __init__(self, stream: TextIO, *, quiet: bool = False) -> None:
        self._stream = stream
        self._quiet = quiet
        self._states: dict[str, str] = {}
        self._steps: dict[FunctionRef, str] = {}
        self._started = time.monotonic()

    def line(self, text: str) -> None:
        """Write one line of talk."""
        if not self._quiet:
            self._write(text)

    def step(self, ref: FunctionRef, step: str) -> None:
        """Say what is being done for a Function, once."""
        if self._steps.get(ref) != step:
            self._steps[ref] = step
            self.line(f"...      {ref}  {step}")

    def address(self, url: str) -> None:
        """Say where the gateway listens."""
        self.line(f"gateway  {url}")

    def reloaded(self, error: CasemateError | None) -> None:
        """Say that files changed, or why they were not taken over."""
        self._started = time.monotonic()
        if error is None:
            self.line("reload   files changed")
        else:
            self._write(f"refused  {error}\nwhat ran before keeps running")

    async def until_settled(self, engine: LocalEngine) -> None:
        """Report states until no Function is on its way."""
        while not all(is_settled(row) for row in self._report(engine)):
            await engine.changed(_POLL_SECONDS)

    async def follow_functions(self, engine: LocalEngine) -> None:
        """Report each change of state until cancelled."""
        while True:
            self._report(engine)
            await engine.changed()

    async def follow_logs(self, hub: LogHub) -> None:
        """Print every line that a Function writes, with its name and request."""
        follower = hub.follow()
        try:
            async for followed in follower:
                record = followed.record
                request = f" [{record.request_id[:_SHORT_ID]}]" if record.request_id else ""
                where = f"{followed.namespace}/{followed.function}{request}"
                # What a Function prints may hold escape sequences meant for this terminal.
                self._write(f"log      {where}  {terminal_safe(record.message)}")
        finally:
            follower.close()

    def _report(self, engine: LocalEngine) -> list[dict[str, Any]]:
        rows = engine.functions()
        for row in rows:
            name = f"{row['metadata'].get('namespace', 'default')}/{row['metadata']['name']}"
            state = _state_line(row)
            if state and self._states.get(name) != state:
                self._states[name] = state
                seconds = time.monotonic() - self._started
                self.line(f"{state.replace('NAME', name)}  ({seconds:.1f} s)")
        return rows

    def _write(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


def is_settled(row: dict[str, Any]) -> bool:
    """Tell whether a Function serves, or will not without a change."""
    conditions = {found["type"]: found for found in row["status"].get("conditions", ())}
    configured, running = conditions.get("ConfigurationReady"), conditions.get("Running")
    if row["status"].get("observedGeneration") != row["metadata"].get("generation"):
        return False
    if configured is None or running is None:
        return False
    settled = configured["status"] == "True" and running["status"] != "Unknown"
    return bool(settled or configured["status"] == "False")


def _state_line(row: dict[str, Any]) -> str:
    conditions = {found["type"]: found for found in row["status"].get("conditions", ())}
    configured, running = conditions.get("ConfigurationReady"), conditions.get("Running")
    if configured and configured["status"] == "False":
        return f"failed   NAME  {configured['reason']}: {configured['message']}"
    if running and running["status"] == "False":
        return f"failed   NAME  {running['reason']}: {running['message']}"
    if running and configured and running["status"] == configured["status"] == "True":
        return f"ready    NAME  {row['status']['address']['url']}"
    return ""
