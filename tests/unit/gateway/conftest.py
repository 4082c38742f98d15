"""Two real gateway processes for the whole run, one with short deadlines, and fresh instances."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.gateway_process import GatewayProcess
from support.instance import Instance


@pytest.fixture(scope="session")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    log = tmp_path_factory.mktemp("gateway") / "log"
    with GatewayProcess(log, "--access-log") as process:
        yield process


@pytest.fixture(scope="session")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    log = tmp_path_factory.mktemp("tight") / "log"
    limits = {
        "head_seconds": 0.5,
        "idle_seconds": 1.0,
        "body_window_seconds": 0.5,
        "write_stall_seconds": 0.5,
        "linger_seconds": 0.3,
        "queue_slots": 2,
        "queue_seconds": 0.5,
        "starting_seconds": 0.5,
        "timeout_grace_seconds": 0.3,
        "upstream_idle_seconds": 0.4,
        "sweep_seconds": 0.05,
        "connections": 20,
    }
    with GatewayProcess(log, **limits) as process:
        yield process


@pytest.fixture
def fresh_door(tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway of one test alone, for tests that read what it tells the engine."""
    with GatewayProcess(tmp_path / "log", queue_slots=30, sweep_seconds=0.05) as process:
        yield process


@pytest.fixture
def instance() -> Iterator[Instance]:
    # Not tmp_path: the name of a unix socket may have 107 bytes.
    with (
        tempfile.TemporaryDirectory(prefix="cm-") as folder,
        Instance(Path(folder) / "http.sock") as running,
    ):
        yield running
