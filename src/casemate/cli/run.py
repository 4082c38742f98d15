"""`casemate run PATH...`: the engine in the foreground, with logs, reload and an optional tour."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click

from casemate.cli.run_report import RunReport
from casemate.engine.function_runner import FOR_A_DEVELOPER
from casemate.engine.local import EngineOptions, LocalEngine
from casemate.engine.manifest_files import load_manifests
from casemate.engine.reload import follow_changes
from casemate.errors import Unavailable
from casemate.settings import read_settings
from casemate.telemetry import configure


class EngineLost(Unavailable):
    """The launcher ended; every sandbox is gone with it."""

    code = "EngineLost"


@click.command("run")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--port", default=8088, show_default=True, type=click.IntRange(0, 65535))
@click.option("--strict", is_flag=True, help="Refuse what this machine cannot enforce in full.")
@click.option("--no-reload", is_flag=True, help="Do not watch the files.")
@click.option("--tour", is_flag=True, help="Call every Function, show the sandbox, and end.")
@click.option("-q", "--quiet", is_flag=True, help="Only errors and the Functions' logs.")
@click.option("-v", "--verbose", is_flag=True, help="The engine's own log too.")
def command(  # noqa: PLR0913, PLR0917  # click passes one argument per option
    paths: tuple[Path, ...],
    port: int,
    strict: bool,
    no_reload: bool,
    tour: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Run the Functions in PATHS (manifests, or folders with handler.py or handler.js).

    Everything stays on loopback and lives as long as this command. Ctrl-C drains and ends.
    """
    loaded = load_manifests(paths)
    configure("text", level="debug" if verbose else "error")
    report = RunReport(sys.stderr, quiet=quiet)
    options = EngineOptions(
        f"127.0.0.1:{port}",
        strict=strict,
        warmth=FOR_A_DEVELOPER,
        log_level="info" if verbose else "warning",
        progress=report.step,
    )

    async def session() -> int:
        async with LocalEngine(read_settings(), options) as engine:
            await engine.apply(loaded)
            if tour:
                from casemate.cli.tour import take_tour  # noqa: PLC0415  # not for every run

                await report.until_settled(engine)
                return await asyncio.to_thread(take_tour, engine.functions(), sys.stdout)
            return await _serve(engine, report, () if no_reload else paths)

    with suppress(asyncio.CancelledError):
        return asyncio.run(session())
    return 0


async def _serve(engine: LocalEngine, report: RunReport, watched: Sequence[Path]) -> int:
    """Print and reload until a signal; raises EngineLost when the launcher is gone."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    report.address(engine.url)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(report.follow_logs(engine.log_hub)),
            group.create_task(report.follow_functions(engine)),
        ]
        if watched:
            tasks.append(group.create_task(follow_changes(watched, engine.apply, report.reloaded)))
        ending = group.create_task(stop.wait())
        lost = group.create_task(engine.lost())
        await asyncio.wait((ending, lost), return_when=asyncio.FIRST_COMPLETED)
        for task in (*tasks, ending, lost):
            task.cancel()
    if not stop.is_set():
        raise EngineLost("the launcher ended, every sandbox is gone", hint="run again; see -v")
    report.line("draining")
    return 0
