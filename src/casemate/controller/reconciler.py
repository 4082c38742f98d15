"""Brings the world to what the manifests say, one Function's key at a time.

Level-triggered: a look at a key reads the whole wanted state and the whole observed state and acts
on the difference, so it does not matter how often, or why, it is asked. The two engines differ only
in what they pass in as `RevisionMaker`, `Runner` and `History`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from casemate.api.function import Function, FunctionRevision
from casemate.api.meta import FunctionRef
from casemate.controller.observation import Configured, Fault, Observed
from casemate.controller.queue import KeyQueue
from casemate.controller.stored_function import StoredFunction
from casemate.errors import CasemateError, Retry

# A look costs a task and no thread; what may build or fetch bounds itself. Many looks at a time, so
# that the slow ones, which wait for a registry, are never all of them.
WORKERS = 64

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class MadeRevision:
    """A revision that can run, and what a policy let through on the way."""

    revision: FunctionRevision
    plan: object
    """What the Runner of the same engine understands."""
    relaxed_fields: tuple[str, ...] = ()
    template: dict[str, Any] = field(default_factory=dict)
    """The rendered Pod template, as the API writes it."""


class RevisionMaker(Protocol):
    """Turns a manifest into something that can run."""

    async def make(self, function: Function, progress: Progress) -> MadeRevision:
        """Fetch, build and render; raises CasemateError. Equal inputs give the same revision."""


class Runner(Protocol):
    """Runs revisions; a bad one never replaces a good one."""

    async def run(self, function: Function, made: MadeRevision) -> None:
        """Make this revision the one that serves; returns at once if it is already."""

    async def trust(self, function: Function, made: MadeRevision) -> None:
        """Hold a revision that has served before ready to serve until a newer one is."""

    async def remove(self, ref: FunctionRef) -> None:
        """Drain and forget; fine when nothing runs."""

    def observe(self, ref: FunctionRef) -> Observed:
        """Say what runs now, without waiting."""


class FunctionReader(Protocol):
    """Where the wanted state is read."""

    def read(self, ref: FunctionRef) -> StoredFunction | None:
        """Return what is stored now, or None when it is gone; never raises for what it holds."""


class History(Protocol):
    """The revisions of each Function that were accepted."""

    async def record(self, function: Function, made: MadeRevision) -> None:
        """Remember an accepted revision, once. Raises CasemateError with retry BACKOFF."""

    def last_good(self, stored: StoredFunction, newest: str = "") -> Function | None:
        """Return the Function as it was when a revision of it last served, if one did.

        None also when that is the revision `newest`, or has the manifest that is stored now.
        """


class Reconciler:
    """Owns the queue, the workers and how far each manifest came."""

    def __init__(
        self,
        functions: FunctionReader,
        maker: RevisionMaker,
        runner: Runner,
        history: History,
        *,
        on_progress: Callable[[FunctionRef, str], None] = lambda _ref, _step: None,
        on_change: Callable[[FunctionRef], None] = lambda _ref: None,
    ) -> None:
        """`on_progress` hears each step, for a person; `on_change` whose status may differ."""
        self.queue: KeyQueue[FunctionRef] = KeyQueue()
        self._functions = functions
        self._maker = maker
        self._runner = runner
        self._history = history
        self._on_progress = on_progress
        self._on_change = on_change
        self._configured: dict[FunctionRef, Configured] = {}
        self._accepted: dict[FunctionRef, Function] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger("controller")

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(WORKERS):
                    workers.create_task(self._work())
        finally:
            self.queue.close()

    def configured(self, ref: FunctionRef) -> Configured | None:
        """Return how far the newest manifest of `ref` came."""
        return self._configured.get(ref)

    def accepted(self, ref: FunctionRef) -> Function | None:
        """Return the Function as it was when a revision of it was last handed to the runner."""
        return self._accepted.get(ref)

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
        stored = self._functions.read(ref)
        if stored is None:
            self._configured.pop(ref, None)
            self._accepted.pop(ref, None)
            self.queue.forget(ref)
            # Draining takes as long as the slowest request: nobody else waits for it.
            self._spawn(self._runner.remove(ref))
            self._on_change(ref)
            return
        if stored.function is None:
            self._set(ref, Configured(stored.generation, fault=stored.fault))
            await self._fall_back(stored)
            return
        try:
            await self._bring(stored, stored.function)
        except CasemateError as error:
            self._fault(stored, error)
            await self._fall_back(stored)

    async def _bring(self, stored: StoredFunction, function: Function) -> None:
        """Make and run the newest manifest. Raises CasemateError when it cannot be."""
        ref, generation = stored.ref, stored.generation
        made = await self._maker.make(function, self._progress(ref, generation))
        self._set(ref, Configured(generation, made.revision, None, "", made.relaxed_fields))
        if self._runner.observe(ref).revision is None:
            await self._trust(stored, made.revision.name)
        self._accepted[ref] = function
        await self._runner.run(function, made)
        try:
            await self._history.record(function, made)
        except CasemateError as error:
            # It runs; only the note of it is missing.
            self._log.warning("revision not recorded", function=str(ref), why=error.message)
            self.queue.retry(ref)
        else:
            self.queue.forget(ref)

    async def _trust(self, stored: StoredFunction, newest: str) -> None:
        """After a restart: a newest revision that never served must not replace one that did."""
        good = self._history.last_good(stored, newest)
        if good is None:
            return
        try:
            made = await self._maker.make(good, lambda _step: None)
            await self._runner.trust(good, made)
        except CasemateError as error:
            self._log.warning("no fallback", function=str(stored.ref), why=error.message)

    async def _fall_back(self, stored: StoredFunction) -> None:
        """Serve by the last good revision when the newest cannot be made and nothing runs."""
        if self._runner.observe(stored.ref).revision is not None:
            return
        good = self._history.last_good(stored)
        if good is None:
            return
        try:
            made = await self._maker.make(good, lambda _step: None)
            self._accepted[stored.ref] = good
            await self._runner.run(good, made)
        except CasemateError as error:
            self._log.warning("no fallback", function=str(stored.ref), why=error.message)
        self._on_change(stored.ref)

    def _progress(self, ref: FunctionRef, generation: int) -> Progress:
        def report(step: str) -> None:
            self._on_progress(ref, step)
            self._set(ref, Configured(generation, step=step))

        return report

    def _fault(self, stored: StoredFunction, error: CasemateError) -> None:
        retried = error.retry is Retry.BACKOFF
        fault = Fault(error.code, str(error), retried)
        self._set(stored.ref, Configured(stored.generation, fault=fault))
        if retried:
            self.queue.retry(stored.ref)

    def _set(self, ref: FunctionRef, configured: Configured) -> None:
        self._configured[ref] = configured
        self._on_change(ref)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        async def logged() -> None:
            try:
                await work
            except Exception:  # noqa: BLE001  # one Function's end must not end the engine
                self._log.exception("a Function was not removed cleanly")

        task = asyncio.create_task(logged())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
