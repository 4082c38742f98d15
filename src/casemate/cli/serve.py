"""`casemate serve`: the lasting engine in the foreground, as `up` and a service manager run it."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from casemate.cli.run import EngineLost
from casemate.engine.local import EngineOptions, LocalEngine
from casemate.settings import read_settings
from casemate.telemetry import configure

GATEWAY_ADDRESS = "127.0.0.1:8088"
API_ADDRESS = "127.0.0.1:8089"


def engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a lasting engine to a command."""
    options = (
        click.option(
            "--data-dir", type=click.Path(path_type=Path), default=default_data_dir,
            show_default="data below CASEMATE_STATE_DIR",
            help="Where the API's objects, keys and audit log lie.",
        ),
        click.option("--listen", default=GATEWAY_ADDRESS, show_default=True, help="Gateway."),
        click.option("--api-listen", default=API_ADDRESS, show_default=True, help="API (TLS)."),
        click.option(
            "--api-name", "api_names", multiple=True,
            help="A name or address that clients call the API by; may be repeated.",
        ),
        click.option("--strict", is_flag=True, help="Refuse what cannot be enforced in full."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def default_data_dir() -> Path:
    """Return where an engine keeps its data when nothing else is said."""
    return read_settings().state_dir / "data"


def engine_arguments(options: Mapping[str, object]) -> list[str]:
    """Write parsed options as the arguments of `serve`."""
    words = [
        "--data-dir", str(Path(str(options["data_dir"])).absolute()),
        "--listen", str(options["listen"]),
        "--api-listen", str(options["api_listen"]),
    ]  # fmt: skip
    names = options["api_names"]
    for name in names if isinstance(names, tuple) else ():
        words += ["--api-name", str(name)]
    return [*words, "--strict"] if options["strict"] else words


@click.command("serve")
@engine_options
@click.option("-v", "--verbose", is_flag=True, help="Tell more.")
def command(
    *, data_dir: Path, listen: str, api_listen: str, api_names: tuple[str, ...], strict: bool,
    verbose: bool,
) -> int:  # fmt: skip
    """Run the engine with its data directory until it is told to end (SIGTERM, Ctrl-C)."""
    configure("json" if not sys.stderr.isatty() else "text", level="info" if verbose else "warning")
    options = EngineOptions(
        listen,
        strict=strict,
        log_level="info" if verbose else "warning",
        data_dir=data_dir.absolute(),
        api_listen=api_listen,
        api_names=api_names,
    )
    asyncio.run(_serve(options))
    return 0


async def _serve(options: EngineOptions) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with LocalEngine(read_settings(), options) as engine:
        sys.stderr.write(f"gateway  {engine.url}\n")
        sys.stderr.flush()
        ending = [asyncio.create_task(stop.wait()), asyncio.create_task(engine.lost())]
        await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
        for task in ending:
            task.cancel()
        if not stop.is_set():
            raise EngineLost("the launcher ended, every sandbox is gone", hint="start it again")
