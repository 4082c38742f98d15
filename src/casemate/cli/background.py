"""The engine in the background: who holds its lock, how to ask it to end, where it writes.

A process number alone proves nothing, since numbers are used again; the kernel's lock on the run
directory says that an engine lives, and a descriptor of that process is what is signalled.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from casemate.errors import Unavailable
from casemate.settings import read_settings

LOG_NAME = "engine.log"
_LOCK_NAME = "engine.lock"
_LOG_TAIL_LINES = 12
_MOST_PID_CHARS = 20


class EngineDidNotStart(Unavailable):
    """The engine that was started in the background ended, or does not answer."""

    code = "EngineDidNotStart"


class EngineDidNotStop(Unavailable):
    """The engine was asked to end and is still there."""

    code = "EngineDidNotStop"


def running_engine() -> int | None:
    """Return the process number of this user's engine, None when none runs."""
    try:
        descriptor = os.open(read_settings().run_dir / _LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        text = os.pread(descriptor, _MOST_PID_CHARS, 0).decode("ascii", "replace").strip()
        return int(text) if text.isdigit() else None
    else:
        return None
    finally:
        os.close(descriptor)


def start_engine(arguments: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start `casemate serve` apart from this terminal; what it says goes to `log` (0600)."""
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        return subprocess.Popen(  # noqa: S603  # our own interpreter and our own arguments
            [sys.executable, "-I", "-m", "casemate.cli.main", "serve", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            cwd="/",
        )
    finally:
        os.close(descriptor)


def stop_engine(pid: int, seconds: float) -> None:
    """Ask an engine to end, and wait. Raises EngineDidNotStop."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        # Between the look at the lock and now the number may have gone to somebody else.
        if running_engine() != pid:
            return
        signal.pidfd_send_signal(process, signal.SIGTERM)
        readable, _, _ = select.select([process], [], [], seconds)
    except ProcessLookupError:
        return
    finally:
        os.close(process)
    if not readable:
        raise EngineDidNotStop(
            f"the engine (process {pid}) did not end within {seconds:g} s",
            hint="requests may still drain; look again: casemate status",
        )


def log_tail(log: Path) -> str:
    """Return the last lines that the engine wrote."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-_LOG_TAIL_LINES:])
