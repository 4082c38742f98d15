"""The local engine: the composition root that joins store, controller, node and gateway.

Everything that lives as long as `casemate run` is made and ended here, in one order. A crash of
this process ends the gateway and the launcher (their control sockets close), and with the
launcher every sandbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Self

import structlog

from casemate import clock
from casemate.api.function import Function
from casemate.api.meta import FunctionRef
from casemate.controller.observation import Observed
from casemate.controller.reconciler import Reconciler
from casemate.engine.control import ControlServer
from casemate.engine.function_runner import ON_REQUEST, FunctionRunner, RunnerHome, Warmth
from casemate.engine.function_view import function_row
from casemate.engine.gateway_link import GatewayLink
from casemate.engine.manifest_files import LoadedManifests
from casemate.engine.objects import ObjectStore
from casemate.engine.operations import operations
from casemate.engine.revisions import LocalRevisions
from casemate.engine.routes import RoutePublisher, route_row
from casemate.engine.run_dir import open_run_dir
from casemate.errors import NotFound
from casemate.identity.keys import SigningKey
from casemate.identity.tokens import function_audience, mint
from casemate.node.launch import Launcher
from casemate.node.log_files import LogStore
from casemate.node.log_hub import LogHub
from casemate.settings import Settings

CLIENT_ID = "casemate-cli"
# Many changes of state arrive together; one snapshot tells them all.
_ROUTE_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What the command line chose."""

    listen: str = "127.0.0.1:8088"
    strict: bool = False
    """Refuse to run a Function where this machine cannot enforce every limit."""
    warmth: Warmth = ON_REQUEST
    """When instances run that nobody asked for."""
    log_level: str = "warning"
    """How much the gateway tells: at `info` every refusal."""
    progress: Callable[[FunctionRef, str], None] = lambda _ref, _step: None


@dataclass(frozen=True, slots=True)
class Grant:
    """A token for one Function, and where to take it."""

    token: str
    audience: str
    url: str
    expires_in_seconds: int


class LocalEngine:
    """One engine of one user on one machine; use it as an async context manager."""

    def __init__(self, settings: Settings, options: EngineOptions) -> None:
        self._settings = settings
        self._options = options
        self._exit = AsyncExitStack()
        self._log = structlog.get_logger("engine")
        self._wanted_routes = asyncio.Event()
        self.log_hub = LogHub()
        # Lives as long as the engine: after a restart every old token is refused.
        self._key = SigningKey.generate()

    async def __aenter__(self) -> Self:
        """Start every part; on a failure end those that were started."""
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End every part: requests drain, sandboxes and sockets are gone afterwards."""
        await self._exit.aclose()

    @property
    def url(self) -> str:
        """The gateway's address; also the issuer of our tokens."""
        return f"http://{self._link.address}"

    async def lost(self) -> None:
        """Return when the engine cannot go on because its launcher is gone."""
        await self._launcher.lost()

    def apply(self, loaded: LoadedManifests) -> None:
        """Make `loaded` all that this engine runs; returns at once."""
        self._objects.replace_all(loaded.objects, loaded.folders)
        self._notify()

    def functions(self) -> list[dict[str, Any]]:
        """Describe every Function: spec and status, never its source."""
        return [self._row(function) for function in self._objects.functions()]

    def describe(self, ref: FunctionRef) -> dict[str, Any]:
        """Describe one Function. Raises NotFound."""
        return self._row(self._function(ref))

    async def changed(self, seconds: float = 1.0) -> None:
        """Return when some status may have changed."""
        await self._reconciler.changed(seconds)

    def grant(self, ref: FunctionRef, seconds: int, subject: str) -> Grant:
        """Mint a token for one Function. Raises NotFound."""
        self._function(ref)
        audience = function_audience(self.url, ref.namespace, ref.name)
        token = mint(
            self._key,
            issuer=self.url,
            audience=audience,
            subject=subject,
            client_id=CLIENT_ID,
            now=clock.now_seconds(),
            lifetime_seconds=seconds,
        )
        return Grant(token, audience, f"{self.url}/{ref.namespace}/{ref.name}/", seconds)

    async def posture(self, ref: FunctionRef) -> dict[str, Any]:
        """Compare the running sandbox with its plan. Raises NotFound when none runs."""
        return await self._runner.posture(ref)

    async def _start(self, stack: AsyncExitStack) -> None:
        # First of all, while this process is small and has one thread: it forks the launcher.
        self._launcher = await Launcher.start()
        stack.push_async_callback(self._launcher.close)
        self._run_dir = open_run_dir(self._settings.run_dir)
        stack.callback(self._run_dir.close)
        logs = LogStore(self._run_dir.logs)
        logs.start()
        stack.push_async_callback(logs.close)
        self._link = GatewayLink(self._options.listen, log_level=self._options.log_level)
        await self._link.start()
        stack.push_async_callback(self._link.close)
        self._join(logs)
        stack.push_async_callback(self._runner.stop)
        control = ControlServer(self._run_dir.control_socket, operations(self))
        await control.start()
        stack.push_async_callback(control.close)
        for work in (self._reconciler.run(), self._follow_routes()):
            task = asyncio.create_task(work)
            stack.push_async_callback(_cancel, task)

    def _join(self, logs: LogStore) -> None:
        """Give every part its neighbours."""
        self._objects = ObjectStore(self._look_again)
        self._publisher = RoutePublisher(self._link, self._identity, self._rows)
        home = RunnerHome(
            self._launcher,
            self._run_dir.sockets,
            logs,
            self.log_hub,
            released=self._link.released,
            warmth=self._options.warmth,
        )
        self._runner = FunctionRunner(
            home, routes_changed=self._publisher.refresh, notify=self._notify
        )
        self._link.listen(self._runner.wake, self._runner.touch)
        revisions = LocalRevisions(
            self._settings, self._objects, self._launcher, strict=self._options.strict
        )
        self._reconciler = Reconciler(
            self._objects, revisions, self._runner, on_progress=self._options.progress
        )

    def _look_again(self, ref: FunctionRef) -> None:
        self._reconciler.queue.add(ref)

    def _notify(self) -> None:
        self._reconciler.notify()
        self._wanted_routes.set()

    async def _follow_routes(self) -> None:
        """Keep the gateway's table equal to what is seen, without a snapshot for each event."""
        while True:
            await self._wanted_routes.wait()
            await asyncio.sleep(_ROUTE_PAUSE_SECONDS)
            self._wanted_routes.clear()
            try:
                await self._publisher.refresh()
            except Exception:  # noqa: BLE001  # logged; the next change tries again
                self._log.exception("the gateway was not told")

    def _identity(self) -> tuple[str, dict[str, Any]]:
        return self.url, self._key.public_jwks()

    def _rows(self) -> list[dict[str, Any]]:
        return [
            route_row(
                function,
                self.url,
                observed=self._runner.observe(function.ref),
                configured=self._reconciler.configured(function.ref),
                sockets=self._runner.sockets(function.ref),
            )
            for function in self._objects.functions()
        ]

    def _row(self, function: Function) -> dict[str, Any]:
        ref = function.ref
        observed: Observed = self._runner.observe(ref)
        address = (
            f"{self.url}/{ref.namespace}/{ref.name}/",
            function_audience(self.url, ref.namespace, ref.name),
        )
        return function_row(
            function,
            self._reconciler.configured(ref),
            observed,
            conditions=self._reconciler.conditions(ref),
            address=address,
        )

    def _function(self, ref: FunctionRef) -> Function:
        found = self._objects.function(ref)
        if found is None:
            names = ", ".join(sorted(str(function.ref) for function in self._objects.functions()))
            raise NotFound(f"no function {ref}", hint=f"running here: {names or 'none'}")
        return found


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
