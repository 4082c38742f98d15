"""`casemate down`: end the engine; what was applied stays in its data directory."""

from __future__ import annotations

import sys

import click

from casemate.cli.background import running_engine, stop_engine


@click.command("down")
@click.option("--timeout", default=60.0, show_default=True, help="Seconds to wait.")
def command(timeout: float) -> int:
    """Stop the engine of this user: requests drain, every sandbox ends."""
    pid = running_engine()
    if pid is None:
        sys.stderr.write("no engine is running here\n")
        return 0
    stop_engine(pid, timeout)
    sys.stderr.write(f"the engine (process {pid}) has ended\n")
    return 0
