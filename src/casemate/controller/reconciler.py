"""Brings the world to what the manifests say, one Function's key at a time.

Level-triggered: a look at a key reads the whole wanted state and the whole observed state and acts
on the difference, so it does not matter how often, or why, it is asked. The two engines differ only
in what they pass in as `RevisionMaker` and `Runner`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import structlog

from casemate import clock
from casemate.api.conditions import Condition
from casemate.api.function import Function, FunctionRevision
from casemate.api.meta import FunctionRef
from casemate.controller.observation import Configured, Fault, Observed
from casemate.controller.queue import KeyQueue
from casemate.controller.status import conditions
from casemate.errors import CasemateError, Retry

# Making a revision may wait for a package registry: more than one, so that nobody waits for it too,
# few, because each may start a build.
WORKERS = 4

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class MadeRevision:
    """A revision that can run, and what a policy let through on the way."""

    revision: FunctionRevision
    plan: object
    """What the Runner of the same engine understands."""
    relaxed_fields: tuple[str, ...] = ()


class RevisionMaker(Protocol):
    """Turns a manifest into something that can run."""

    async def make(self, function: Function, progress: Progress) -> MadeRevision:
        """Fetch, build and render; raises CasemateError. Equal inputs give the same revision."""


class Runner(Protocol):
    """Runs revisions; a bad one never replaces a good one."""

    async def run(self, function: Function, made: MadeRevision) -> None:
        """Make this revision the one that serves; returns at once if it is already."""

    async def remove(self, ref: FunctionRef) -> None:
        """Drain and forget; fine when nothing runs."""

    def observe(self, ref: FunctionRef) -> Observed:
        """Say what runs now, without waiting."""


class FunctionReader(Protocol):
    """Where the wanted state is read."""

    def function(self, ref: FunctionRef) -> Function | None:
        """Return the newest manifest, or None when it is gone."""


class Reconciler:
    """Owns the queue, the workers and the newest status of each Function."""

    def __init__(
        self,
        functions: FunctionReader,
        maker: RevisionMaker,
        runner: Runner,
        *,
        on_progress: Callable[[FunctionRef, str], None] = lambda _ref, _step: None,
    ) -> None:
        """`on_progress` hears each step of making a revision, for a person who waits."""
        self.queue: KeyQueue[FunctionRef] = KeyQueue()
        self._functions = functions
        self._maker = maker
        self._runner = runner
        self._on_progress = on_progress
        self._configured: dict[FunctionRef, Configured] = {}
        self._conditions: dict[FunctionRef, tuple[Condition, ...]] = {}
        self._changed = asyncio.Event()
        self._log = structlog.get_logger("controller")

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(WORKERS):
                workers.create_task(self._work())

    def configured(self, ref: FunctionRef) -> Configured | None:
        """Return how far the newest manifest of `ref` came."""
        return self._configured.get(ref)

    def conditions(self, ref: FunctionRef) -> tuple[Condition, ...]:
        """Compute the conditions of `ref` now; transition times survive between calls."""
        function, configured = self._functions.function(ref), self._configured.get(ref)
        if function is None or configured is None:
            return ()
        self._conditions[ref] = conditions(
            function.spec.runtime,
            configured,
            self._runner.observe(ref),
            previous=self._conditions.get(ref, ()),
            now=clock.rfc3339(clock.now()),
        )
        return self._conditions[ref]

    def notify(self) -> None:
        """Wake everybody who waits in `changed`."""
        self._changed.set()

    async def changed(self, seconds: float) -> None:
        """Return when a status may have changed, at the latest after `seconds`."""
        self._changed.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)

    async def _work(self) -> None:
        while True:
            ref = await self.queue.get()
            try:
                await self._reconcile(ref)
            except Exception:  # noqa: BLE001  # logged, retried with back-off
                # A defect in one Function's path must not end the work on all others.
                self._log.exception("reconcile failed", function=str(ref))
                self.queue.retry(ref)
            finally:
                self.queue.done(ref)

    async def _reconcile(self, ref: FunctionRef) -> None:
        function = self._functions.function(ref)
        if function is None:
            await self._runner.remove(ref)
            self._configured.pop(ref, None)
            self._conditions.pop(ref, None)
            self.queue.forget(ref)
            self.notify()
            return
        generation = function.metadata.generation or 1
        try:
            made = await self._maker.make(function, self._progress(ref, generation))
            self._set(ref, Configured(generation, made.revision, None, "", made.relaxed_fields))
            await self._runner.run(function, made)
        except CasemateError as error:
            self._fault(ref, generation, error)
        else:
            self.queue.forget(ref)
        self.notify()

    def _progress(self, ref: FunctionRef, generation: int) -> Progress:
        def report(step: str) -> None:
            self._on_progress(ref, step)
            self._set(ref, Configured(generation, step=step))

        return report

    def _fault(self, ref: FunctionRef, generation: int, error: CasemateError) -> None:
        retried = error.retry is Retry.BACKOFF
        fault = Fault(error.code, str(error), retried)
        self._set(ref, Configured(generation, fault=fault))
        if retried:
            self.queue.retry(ref)

    def _set(self, ref: FunctionRef, configured: Configured) -> None:
        self._configured[ref] = configured
        self.notify()
