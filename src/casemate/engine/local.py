"""The local engine: the composition root that joins API, controller, node and gateway.

Everything that lives as long as an engine is made and ended here, in one order. The API is the only
truth and the only door: what is wanted is read from it, what is observed is written to it. A crash
of this process ends the gateway and the launcher (their control sockets close), and with the
launcher every sandbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import structlog

from casemate import clock
from casemate.api.function import FunctionAddress
from casemate.api.meta import FunctionRef
from casemate.apiserver.store.database import Store
from casemate.controller.reconciler import Reconciler
from casemate.controller.status_writer import Seen, StatusWriter
from casemate.engine.api_service import ApiOptions, ApiService
from casemate.engine.applied_manifests import AppliedManifests
from casemate.engine.event_records import EventRecords
from casemate.engine.function_doors import FunctionDoors, Grant
from casemate.engine.function_runner import ON_REQUEST, FunctionRunner, RunnerHome, Warmth
from casemate.engine.function_view import function_row
from casemate.engine.gateway_link import GatewayLink
from casemate.engine.manifest_files import LoadedManifests
from casemate.engine.objects import FUNCTIONS, Objects
from casemate.engine.observations import Observations
from casemate.engine.pod_log import PodLog
from casemate.engine.pod_view import PodView
from casemate.engine.revision_history import RevisionHistory
from casemate.engine.revisions import LocalRevisions
from casemate.engine.route_rows import RouteRows
from casemate.engine.routes import RoutePublisher
from casemate.engine.run_dir import open_run_dir
from casemate.engine.shared_refresh import SharedRefresh
from casemate.engine.status_sink import ApiStatusSink
from casemate.engine.wake_ups import WakeUps
from casemate.errors import NotFound
from casemate.identity.keys import SigningKey
from casemate.identity.tokens import function_audience, mint
from casemate.node.launch import Launcher
from casemate.node.log_files import LogStore
from casemate.node.log_hub import LogHub
from casemate.settings import Settings

CLIENT_ID = "casemate-api"
# Many changes of state arrive together; one snapshot tells them all.
_ROUTE_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What the command line chose."""

    listen: str = "127.0.0.1:8088"
    api_listen: str = "127.0.0.1:0"
    api_names: tuple[str, ...] = ()
    """Further names that clients call the API by; needed to listen beyond one address."""
    data_dir: Path | None = None
    """Where the API's objects last; None: in memory."""
    strict: bool = False
    """Refuse to run a Function where this machine cannot enforce every limit."""
    warmth: Warmth = ON_REQUEST
    """When instances run that nobody asked for."""
    log_level: str = "warning"
    """How much the gateway tells: at `info` every refusal."""
    progress: Callable[[FunctionRef, str], None] = lambda _ref, _step: None


class LocalEngine:
    """One engine of one user on one machine; use it as an async context manager."""

    def __init__(self, settings: Settings, options: EngineOptions) -> None:
        self._settings = settings
        self._options = options
        self._exit = AsyncExitStack()
        self._log = structlog.get_logger("engine")
        self._wanted_routes = asyncio.Event()
        self._changed = asyncio.Event()
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

    @property
    def api(self) -> ApiService:
        """The local Kubernetes API."""
        return self._api

    async def lost(self) -> None:
        """Return when the engine cannot go on because its launcher is gone."""
        await self._launcher.lost()

    async def apply(self, loaded: LoadedManifests) -> None:
        """Make the API hold `loaded` instead of what was applied here. Raises ManifestsRefused."""
        self._objects.folders = dict(loaded.folders)
        try:
            await self._applied.apply(loaded)
        finally:
            for ref in loaded.folders:
                # Any file of the folder may have changed, and the API sees none but the handler.
                self._reconciler.queue.add(ref)

    def functions(self) -> list[dict[str, Any]]:
        """Describe every Function: spec and status, never its source."""
        return [function_row(found.tree()) for found in self._api.store.list(FUNCTIONS).items]

    def describe(self, ref: FunctionRef) -> dict[str, Any]:
        """Describe one Function. Raises NotFound."""
        found = self._objects.tree(ref)
        if found is None:
            raise self._absent(ref)
        return function_row(found)

    async def changed(self, seconds: float = 1.0) -> None:
        """Return when some Function or status may have changed."""
        self._changed.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)

    def grant(self, ref: FunctionRef, seconds: int, subject: str) -> Grant:
        """Mint a token for one Function. Raises NotFound."""
        if self._objects.read(ref) is None:
            raise self._absent(ref)
        address = self._address(ref)
        token = mint(
            self._key,
            issuer=self.url,
            audience=address.audience,
            subject=subject,
            client_id=CLIENT_ID,
            now=clock.now_seconds(),
            lifetime_seconds=seconds,
        )
        return Grant(token, address.audience, address.url, seconds)

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
        options = self._options
        self._api = ApiService(
            ApiOptions(
                options.data_dir, self._run_dir.api_keys, options.api_listen, options.api_names
            )
        )
        await stack.enter_async_context(self._api)
        pod_store = await Store.open(None)
        stack.push_async_callback(pod_store.close)
        self._join(logs, pod_store)
        stack.callback(self._revisions.close)
        stack.push_async_callback(self._runner.stop)
        for work in self._work:
            task = asyncio.create_task(work)
            stack.push_async_callback(_cancel, task)
        await self._open_doors(logs)

    async def _open_doors(self, logs: LogStore) -> None:
        """Let callers in, last of all: whoever finds the door finds the engine ready."""
        doors = FunctionDoors(self._objects, self.grant, self.posture)
        log = PodLog(self._pods, logs, self.log_hub)
        await self._api.serve({
            ("", "pods", ""): self._pods.door,
            ("", "pods", "log"): log.door,
            (FUNCTIONS.group, FUNCTIONS.plural, "invoke"): doors.invoke,
            (FUNCTIONS.group, FUNCTIONS.plural, "posture"): doors.posture,
        })  # fmt: skip
        self._run_dir.write_kubeconfig(self._api.kubeconfig())

    def _join(self, logs: LogStore, pod_store: Store) -> None:
        """Give every part its neighbours."""
        self._objects = Objects(self._api.store)
        self._applied = AppliedManifests(self._api)
        publisher = RoutePublisher(self._link, self._identity, lambda: self._rows())  # noqa: PLW0108  # it is made below
        self._refresh_routes = SharedRefresh(publisher.refresh)
        home = RunnerHome(
            self._launcher,
            self._run_dir.sockets,
            logs,
            self.log_hub,
            released=self._link.released,
            warmth=self._options.warmth,
        )
        self._runner = FunctionRunner(
            home, routes_changed=self._refresh_routes, notify=self._notify
        )
        self._link.listen(self._runner.wake, self._runner.touch)
        self._revisions = LocalRevisions(
            self._settings, self._objects, self._launcher, strict=self._options.strict
        )
        history, events = RevisionHistory(self._api), EventRecords(self._api)
        self._status = StatusWriter(self._see, ApiStatusSink(self._api, events))
        self._reconciler = Reconciler(
            self._objects,
            self._revisions,
            self._runner,
            history,
            on_progress=self._options.progress,
            on_change=self._look_again,
        )
        self._rows = RouteRows(self._objects, self._runner, self._reconciler, lambda: self.url)
        self._pods = PodView(pod_store)
        self._observations = Observations(
            self._objects,
            self._runner,
            self._pods,
            history,
            template=self._revisions.template,
            look_again=self._status.look_again,
        )
        wake_ups = WakeUps(
            self._api.store, self._objects, self._reconciler.queue, self._status_changed
        )
        self._work = (
            self._status.run(),
            events.run(),
            self._observations.run(),
            self._reconciler.run(),
            self._follow_routes(),
            wake_ups.run(),
        )

    def _see(self, ref: FunctionRef) -> Seen | None:
        stored, configured = self._objects.read(ref), self._reconciler.configured(ref)
        if stored is None or configured is None:
            return None
        return Seen(stored, configured, self._runner.observe(ref), self._address(ref))

    def _address(self, ref: FunctionRef) -> FunctionAddress:
        return FunctionAddress(
            url=f"{self.url}/{ref.namespace}/{ref.name}/",
            audience=function_audience(self.url, ref.namespace, ref.name),
        )

    def _look_again(self, ref: FunctionRef) -> None:
        """How far a manifest came has changed."""
        if self._objects.read(ref) is None:
            self._revisions.forget(ref)
        self._status.look_again(ref)
        self._notify()

    def _status_changed(self, ref: FunctionRef) -> None:
        """A status was written, by us or by somebody else: the next look puts that right."""
        self._status.look_again(ref)
        self._changed.set()

    def _notify(self) -> None:
        self._observations.notify()
        self._wanted_routes.set()
        self._changed.set()

    async def _follow_routes(self) -> None:
        """Keep the gateway's table equal to what is seen, without a snapshot for each event."""
        while True:
            await self._wanted_routes.wait()
            await asyncio.sleep(_ROUTE_PAUSE_SECONDS)
            self._wanted_routes.clear()
            try:
                await self._refresh_routes()
            except Exception:  # noqa: BLE001  # logged; the next change tries again
                self._log.exception("the gateway was not told")

    def _identity(self) -> tuple[str, dict[str, Any]]:
        return self.url, self._key.public_jwks()

    def _absent(self, ref: FunctionRef) -> NotFound:
        names = ", ".join(str(found) for found in self._objects.refs()[:20])
        return NotFound(f"no function {ref}", hint=f"running here: {names or 'none'}")


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
