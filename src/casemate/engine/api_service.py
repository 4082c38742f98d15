"""The local Kubernetes API, put together: store, access, admission, controllers and HTTPS.

There is one set of checks, and both ways in meet it: callers over HTTPS, and the engine itself in
the same process. It always serves TLS of its own CA and authenticates every caller, whatever
address it listens on; options that it could not serve safely are refused before anything starts.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import structlog

from casemate import clock
from casemate.api.meta import DEFAULT_NAMESPACE
from casemate.apiserver.access.audit import AuditFile, AuditLog, AuditRing
from casemate.apiserver.access.authentication import Authenticator
from casemate.apiserver.access.bootstrap import ensure_default_roles
from casemate.apiserver.access.certificates import Certificates, ensure_certificates
from casemate.apiserver.access.doors import AccessDoors, account_uid
from casemate.apiserver.access.escalation import EscalationCheck
from casemate.apiserver.access.kubeconfig import kubeconfig
from casemate.apiserver.access.live_roles import LiveRoles
from casemate.apiserver.access.rbac import Authorizer
from casemate.apiserver.access.service_account_tokens import ServiceAccountTokens
from casemate.apiserver.app import App
from casemate.apiserver.call import Call, Door
from casemate.apiserver.documents import Documents
from casemate.apiserver.garbage import GarbageCollector
from casemate.apiserver.http_server import HttpServer
from casemate.apiserver.kinds import resources_by_key, served_resources
from casemate.apiserver.namespaces import NamespaceController, NamespaceLifecycle
from casemate.apiserver.relaxation_check import RelaxationCheck
from casemate.apiserver.reply import Reply
from casemate.apiserver.resource import Tree
from casemate.apiserver.router import DoorKey, Router
from casemate.apiserver.source_privacy import SourcePrivacy
from casemate.apiserver.store.database import Store
from casemate.apiserver.store.history import Subscription
from casemate.apiserver.verbs import Verbs
from casemate.apiserver.writes import Writes
from casemate.engine.api_client import ENGINE_USER, ApiParts, InProcessApi, LocalKubeClient
from casemate.errors import InvalidInput, Unavailable
from casemate.identity.key_files import load_signing_key, save_signing_key
from casemate.identity.keys import SigningKey

ADMIN = "casemate-admin"
# A name, not an address: tokens stay good when the port changes.
ISSUER = "https://api.casemate.local"
_RESTART_SECONDS = 1.0


class InvalidListenAddress(InvalidInput):
    """The address that the API was to listen on is none, or none that can be served safely."""

    code = "InvalidListenAddress"


class ApiStateUnusable(Unavailable):
    """The API's directory cannot be used."""

    code = "ApiStateUnusable"


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """Where the API keeps its state, and where it listens."""

    data_dir: Path | None
    """None: everything is in memory and gone with the process."""
    keys_dir: Path
    """Where certificates and keys lie when there is no `data_dir`; otherwise they lie there."""
    listen: str = "127.0.0.1:0"
    names: tuple[str, ...] = ()
    """Further names and addresses that clients may call it by."""


class ApiService:
    """One API; an async context manager. The in-process verbs act as the engine's own user."""

    store: Store
    url: str = ""

    def __init__(self, options: ApiOptions) -> None:
        """Raises InvalidListenAddress."""
        self._options = options
        self._host, self._port = _address(options)
        self._exit = AsyncExitStack()
        self._log = structlog.get_logger("api")
        self._resources = served_resources()

    async def __aenter__(self) -> Self:
        """Open store and keys, start the controllers. On a failure everything is closed again."""
        async with AsyncExitStack() as stack:
            await self._open(stack)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Answer what was begun and close."""
        await self._exit.aclose()

    async def serve(self, doors: Mapping[DoorKey, Door]) -> None:
        """Start the HTTPS server; `doors` answer what only an engine can. Raises AddressTaken."""
        privacy = SourcePrivacy(self._authorizer)
        verbs = Verbs(self.store, self._writes, privacy.view, _now)
        router = Router(
            resources_by_key(),
            verbs,
            {**self._access.doors(), **doors},
            Documents(self._resources),
        )

        async def route(call: Call) -> Reply:
            privacy.check_patch(call)
            return await router(call)

        app = App(self._authenticator, self._audit, route, clock.monotonic_seconds)
        server = HttpServer(app, self._host, self._port, self._certificates.server_context())
        await server.start()
        self._exit.push_async_callback(server.close)
        host = f"[{server.address[0]}]" if ":" in server.address[0] else server.address[0]
        reachable = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104
        self.url = f"https://{reachable}:{server.address[1]}"

    def kubeconfig(self) -> str:
        """Return the kubeconfig of this machine's administrator, once the API serves."""
        return kubeconfig(
            self.url, self._certificates.ca, self._certificates.admin, user=ADMIN,
            namespace=DEFAULT_NAMESPACE,
        )  # fmt: skip

    @property
    def client(self) -> LocalKubeClient:
        """Return the client that a reconciler uses against any Kubernetes API."""
        return LocalKubeClient(self._parts)

    @property
    def audit(self) -> AuditLog:
        """Return the audit log."""
        return self._audit

    def get(self, kind: str, namespace: str, name: str) -> Tree | None:
        """Return one object, None when it is not there."""
        return self._api.get(kind, namespace, name)

    def list(self, kind: str, namespace: str | None = None) -> list[Tree]:
        """Return the objects of a kind."""
        return self._api.list(kind, namespace)

    def watch(self, kind: str) -> Subscription:
        """Follow a kind from now."""
        return self._api.watch(kind)

    async def create(self, tree: Tree) -> Tree:
        """Create an object. Raises ApiError."""
        return await self._api.create(tree)

    async def apply(self, tree: Tree, manager: str, force: bool = True) -> Tree:  # noqa: FBT001, FBT002  # Kubernetes' own word
        """Create or change an object by server-side apply. Raises ApiError."""
        return await self._api.apply(tree, manager, force)

    async def update_status(self, tree: Tree, manager: str) -> Tree:
        """Replace an object's status. Raises ApiError."""
        return await self._api.update_status(tree, manager)

    async def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete an object; an absent one is fine. Raises ApiError."""
        await self._api.delete(kind, namespace, name)

    async def ensure_namespace(self, name: str) -> None:
        """Make a namespace, if it is not there. Raises ApiError."""
        await self._api.ensure_namespace(name)

    async def _open(self, stack: AsyncExitStack) -> None:
        # First of all: it locks the data directory.
        self.store = await self._open_store()
        stack.push_async_callback(self.store.close)
        await asyncio.to_thread(self._open_keys)
        self._audit = self._open_audit()
        stack.callback(self._audit.close)
        self._authorizer = Authorizer()
        checks = (
            NamespaceLifecycle(self.store),
            EscalationCheck(self.store, self._authorizer),
            SourcePrivacy(self._authorizer),
            RelaxationCheck(self.store),
        )
        self._writes = Writes(self.store, checks, _now)
        self._parts = ApiParts(self.store, self._writes, self._resources)
        self._api = InProcessApi(self._parts)
        tokens = ServiceAccountTokens(self._signing_key, ISSUER, partial(account_uid, self.store))
        self._authenticator = Authenticator(tokens, self._authorizer, clock.now_seconds)
        self._access = AccessDoors(self.store, self._authorizer, self._authenticator, tokens)
        await self._start_controllers(stack)

    async def _start_controllers(self, stack: AsyncExitStack) -> None:
        kinds = self._parts.by_kind()
        common = (self.store, self._writes, self._resources, ENGINE_USER)
        namespaces = NamespaceController(*common)
        await namespaces.start()
        await ensure_default_roles(self.store, self._writes, kinds, ENGINE_USER)
        roles = LiveRoles(
            self.store, self._writes, self._authorizer, kinds["ClusterRole"], ENGINE_USER
        )
        await roles.aggregate()
        roles.refresh()
        for name, run in (
            ("namespaces", namespaces.run),
            ("garbage", GarbageCollector(*common).run),
            ("roles", roles.run),
        ):
            task = asyncio.create_task(self._supervised(name, run), name=f"api-{name}")
            stack.push_async_callback(_cancelled, task)

    async def _supervised(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run a controller for as long as the API lives; a defect in it is told and retried."""
        while True:
            try:
                await run()
            except Exception:  # noqa: BLE001  # the API goes on; what failed is in the log
                self._log.exception("a controller failed and is started again", controller=name)
                await asyncio.sleep(_RESTART_SECONDS)
            else:
                return

    async def _open_store(self) -> Store:
        data_dir = self._options.data_dir
        secret = {one.group_resource for one in self._resources if one.encrypted}
        path = data_dir / "store.sqlite" if data_dir is not None else None
        return await Store.open(path, encrypt=secret)

    def _open_audit(self) -> AuditLog:
        data_dir = self._options.data_dir
        if data_dir is None:
            return AuditLog(AuditRing())
        try:
            return AuditLog(AuditFile(data_dir / "audit.log"))
        except OSError as error:
            raise ApiStateUnusable(
                f"the audit log {data_dir}/audit.log cannot be written: {error.strerror}",
                hint="nothing is changed without it; check the directory's owner and mode",
            ) from error

    def _open_keys(self) -> None:
        home = self._options.data_dir or self._options.keys_dir
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory = home / "pki"
            self._certificates: Certificates = ensure_certificates(
                directory, (*self._options.names, *_own_name(self._host))
            )
            self._signing_key = _signing_key(directory / "service-accounts.key")
        except OSError as error:
            raise ApiStateUnusable(
                f"the directory {home} cannot be used: {error.strerror}",
                hint="choose another data directory",
            ) from error


def _signing_key(path: Path) -> SigningKey:
    if not path.exists():
        save_signing_key(SigningKey.generate(), path)
    return load_signing_key(path)


def _address(options: ApiOptions) -> tuple[str, int]:
    host, colon, port = options.listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004
        raise InvalidListenAddress(
            f"{options.listen!r} is no address to listen on", hint="write HOST:PORT"
        )
    if host == "localhost":
        host = "127.0.0.1"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise InvalidListenAddress(
            f"{host!r} is no IP address to listen on",
            hint="a name may lead anywhere: write the address",
        ) from None
    if address.is_unspecified and not options.names:
        # ATTACK: clients that cannot verify the server's name are taught to verify nothing.
        # tests/api/test_service.py
        raise InvalidListenAddress(
            f"{options.listen} is every address of this machine, and no name was given",
            hint="give the names that clients will call it by: --api-name NAME",
        )
    return host, int(port)


def _own_name(host: str) -> tuple[str, ...]:
    return () if ipaddress.ip_address(host).is_unspecified else (host,)


def _now() -> str:
    return clock.rfc3339(clock.now())


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
