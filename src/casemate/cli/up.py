"""`casemate up`: the engine in the background, with a data directory that outlives it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import click

from casemate.cli.api_client import ApiClient
from casemate.cli.background import (
    LOG_NAME,
    EngineDidNotStart,
    log_tail,
    running_engine,
    start_engine,
)
from casemate.cli.serve import engine_arguments, engine_options
from casemate.errors import CasemateError

_STEP_SECONDS = 0.05
_PATIENCE_SECONDS = 1.0


@click.command("up")
@engine_options
@click.option("--timeout", default=60.0, show_default=True, help="Seconds to wait for it.")
def command(timeout: float, **options: object) -> int:
    """Start the engine; its Functions come back as they were. Stop it: casemate down."""
    pid = running_engine()
    if pid is not None:
        sys.stderr.write(f"an engine runs already (process {pid})\n")
        return 0
    data_dir = Path(str(options["data_dir"]))
    log = data_dir / LOG_NAME
    process = start_engine(engine_arguments(options), log)
    _until_ready(process, log, timeout)
    sys.stderr.write(f"engine   process {process.pid}, data in {data_dir}, log {log}\n")
    sys.stderr.write("next     casemate apply -f PATH; casemate status; casemate down\n")
    return 0


def _until_ready(process: subprocess.Popen[bytes], log: Path, seconds: float) -> None:
    started = time.monotonic()
    told = False
    while time.monotonic() - started < seconds:
        code = process.poll()
        if code is not None:
            raise EngineDidNotStart(
                f"the engine ended at once ({code}); the end of {log}:\n{log_tail(log)}"
            )
        if _answers():
            return
        if not told and time.monotonic() - started > _PATIENCE_SECONDS:
            sys.stderr.write("...      the engine is starting\n")
            told = True
        time.sleep(_STEP_SECONDS)
    raise EngineDidNotStart(
        f"the engine (process {process.pid}) does not answer after {seconds:g} s",
        hint=f"its log: {log}",
    )


def _answers() -> bool:
    try:
        with ApiClient.running() as client:
            client.get("/readyz", accept="application/json")
    except CasemateError as error:
        # It says "ok" and not JSON: that is an answer too.
        return error.code == "Unavailable" and "no JSON" in error.message
    return True
