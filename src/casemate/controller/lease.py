"""One of several controllers acts at a time: leader election over a coordination.k8s.io/v1 Lease.

A holder renews well before its term ends and stops acting on its own when it could not; another
takes over only after it has itself watched the lease stand unchanged for a whole term. Times of
other machines are written and shown but never compared with ours, so clocks may differ.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog

from casemate import clock
from casemate.errors import CasemateError
from casemate.kube.client import KindRef, KubeClient, ObjectRef, Tree
from casemate.kube.errors import Missing

LEASE = KindRef("coordination.k8s.io/v1", "Lease", "leases")
# Kubernetes accepts no empty holder, and an apply cannot take away a field that a create has set.
_NOBODY = "-"


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """How long a holder's word counts. The defaults are those of Kubernetes' controllers."""

    term_seconds: float = 15.0
    renew_seconds: float = 10.0
    """A holder that could not renew for this long stops; less than the term, so it stops first."""
    retry_seconds: float = 2.0


class LeaseElection:
    """`run` acts while this candidate holds the lease."""

    def __init__(
        self, client: KubeClient, ref: ObjectRef, identity: str, terms: LeaseTerms | None = None
    ) -> None:
        """`identity` must differ between candidates."""
        self._client = client
        self._ref = ref
        self._identity = identity
        self._terms = terms or LeaseTerms()
        self._seen: tuple[object, ...] | None = None
        self._seen_at = 0.0
        self._renewed_at = 0.0
        self._log = structlog.get_logger("lease")

    async def run(self, act: Callable[[], Awaitable[None]]) -> None:
        """Wait for the lease, run `act`, cancel it when the lease is lost, and wait again."""
        while True:
            await self._acquire()
            acting = asyncio.ensure_future(act())
            try:
                await self._hold(acting)
            finally:
                acting.cancel()
                await asyncio.gather(acting, return_exceptions=True)
            self._log.warning("the lease is lost", lease=self._ref.name)

    async def release(self) -> None:
        """Give the lease back, so that the next need not wait for the term; best effort."""
        try:
            lease = await self._client.get(self._ref)
            if _holder(lease) == self._identity:
                await self._write(lease, holder=_NOBODY, seconds=1)
        except CasemateError as error:
            self._log.warning("lease not released", why=error.message)

    async def _acquire(self) -> None:
        while not await self._try():  # noqa: ASYNC110  # what is waited for happens elsewhere
            await asyncio.sleep(self._terms.retry_seconds)

    async def _hold(self, acting: asyncio.Future[None]) -> None:
        """Return when the lease is lost; raises what `act` raised when that ended first."""
        while True:
            done, _ = await asyncio.wait((acting,), timeout=self._terms.retry_seconds)
            if done:
                await acting
                return
            # ATTACK: a request that hangs must not let a holder act past its term, when another
            # may have taken over. tests/unit/controller/test_lease.py
            left = self._terms.renew_seconds - (clock.monotonic_seconds() - self._renewed_at)
            try:
                async with asyncio.timeout(max(left, 0)):
                    held = await self._try()
            except TimeoutError:
                return
            stale = clock.monotonic_seconds() - self._renewed_at >= self._terms.renew_seconds
            if not held and (stale or self._taken()):
                return

    def _taken(self) -> bool:
        return self._seen is not None and self._seen[0] not in {_NOBODY, self._identity}

    async def _try(self) -> bool:
        """Take or renew the lease; False when another holds it or the API did not let us."""
        started = clock.monotonic_seconds()
        try:
            lease = await self._client.get(self._ref)
        except Missing:
            return await self._write_own(None, started)
        except CasemateError as error:
            self._log.warning("lease not read", why=error.message)
            return False
        self._note(lease)
        if _holder(lease) in {_NOBODY, self._identity} or self._stood_a_term(lease):
            return await self._write_own(lease, started)
        return False

    def _note(self, lease: Tree) -> None:
        spec = lease.get("spec") or {}
        state = (_holder(lease), spec.get("renewTime"), spec.get("leaseTransitions"))
        if state != self._seen:
            self._seen, self._seen_at = state, clock.monotonic_seconds()

    def _stood_a_term(self, lease: Tree) -> bool:
        # The holder's own word counts: it may have longer terms than we have.
        said = (lease.get("spec") or {}).get("leaseDurationSeconds") or 0
        term = max(float(said), self._terms.term_seconds)
        return clock.monotonic_seconds() - self._seen_at >= term

    async def _write_own(self, lease: Tree | None, started: float) -> bool:
        try:
            written = await self._write(
                lease, holder=self._identity, seconds=max(1, round(self._terms.term_seconds))
            )
        except CasemateError as error:
            self._log.info("lease not written", why=error.message)
            return False
        self._note(written)
        # From before the request: the term began no later than the server wrote it.
        self._renewed_at = started
        return True

    async def _write(self, lease: Tree | None, *, holder: str, seconds: int) -> Tree:
        """Write the lease if it is still as it was read. Raises KubeError."""
        before: dict[str, Any] = (lease or {}).get("spec") or {}
        moved = _holder(lease or {}) != holder
        now = clock.timestamp()
        spec = {
            "holderIdentity": holder,
            "leaseDurationSeconds": seconds,
            "acquireTime": now if moved else before.get("acquireTime", now),
            "renewTime": now,
            "leaseTransitions": int(before.get("leaseTransitions") or 0) + int(moved),
        }
        metadata = {"name": self._ref.name, "namespace": self._ref.namespace}
        tree: Tree = {
            "apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata, "spec": spec,
        }  # fmt: skip
        if lease is None:
            return await self._client.create(tree, "casemate-lease")
        metadata["resourceVersion"] = str(lease["metadata"]["resourceVersion"])
        return await self._client.apply(tree, "casemate-lease")


def _holder(lease: Tree) -> str:
    return str((lease.get("spec") or {}).get("holderIdentity") or _NOBODY)
