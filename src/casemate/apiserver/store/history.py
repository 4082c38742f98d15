"""The newest writes, and who follows them: a bounded window, and bounded queues.

A watcher starts where it left off as long as the window reaches back there, otherwise it must list
again. One that does not read is cut off alone; it never holds a write or another watcher up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from typing import Self

from casemate.apiserver.resource import GroupResource
from casemate.apiserver.store.objects import StoreEvent
from casemate.errors import Unavailable

# Some minutes of a busy installation; bodies are shared with the store while objects live.
MOST_EVENTS = 20_000
MOST_BYTES = 64 * 1024 * 1024
# A watcher that is this far behind would need minutes to catch up: a list is faster.
MOST_BEHIND = 10_000


class Compacted(Unavailable):
    """The window does not reach back to the wanted revision."""

    code = "Compacted"

    def __init__(self, oldest: int) -> None:
        super().__init__(f"history starts at {oldest}", hint="list again")
        self.oldest = oldest


class TooSlow(Unavailable):
    """This watcher was cut off: it did not read."""

    code = "WatcherTooSlow"


class Subscription:
    """The events of one resource, in order, each once. Use it on the loop's thread."""

    def __init__(
        self,
        history: History,
        of: GroupResource,
        namespace: str | None,
        queued: Iterable[StoreEvent],
    ) -> None:
        """Made by `History.watch`."""
        self._history = history
        self._of = of
        self._namespace = namespace
        self._queue = deque(queued)
        self._arrived = asyncio.Event()
        self._slow = False
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StoreEvent:
        while True:
            event = await self.next(None)
            if event is not None:
                return event
            raise StopAsyncIteration

    async def next(self, timeout_seconds: float | None) -> StoreEvent | None:
        """Return the next event; None after the timeout or when closed. Raises TooSlow."""
        if not self._queue and not self._closed and not self._slow:
            self._arrived.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_seconds):
                    await self._arrived.wait()
        if self._slow:
            raise TooSlow("the watcher fell behind", hint="list again")
        return self._queue.popleft() if self._queue else None

    @property
    def closed(self) -> bool:
        """Whether nothing more arrives."""
        return self._closed

    def close(self) -> None:
        """End it; nothing more arrives."""
        self._closed = True
        self._arrived.set()
        self._history.forget(self)

    def wants(self, event: StoreEvent) -> bool:
        """Whether an event is of the watched resource and namespace."""
        key = event.object.key
        return key.group_resource == self._of and self._namespace in (None, key.namespace)

    def offer(self, event: StoreEvent) -> None:
        """Queue one event, or cut this watcher off."""
        if len(self._queue) >= MOST_BEHIND:
            self._slow = True
            self._queue.clear()
            self._history.forget(self)
        else:
            self._queue.append(event)
        self._arrived.set()


class History:
    """The window and all subscriptions of one store."""

    def __init__(self, start: int) -> None:
        """`start` is the revision of the store when it was opened."""
        self._events: deque[StoreEvent] = deque()
        self._bytes = 0
        self._before_oldest = start
        self._watchers: dict[GroupResource, set[Subscription]] = {}

    def append(self, event: StoreEvent) -> None:
        """Remember an event and tell who follows."""
        self._events.append(event)
        self._bytes += len(event.object.body)
        while len(self._events) > MOST_EVENTS or self._bytes > MOST_BYTES:
            gone = self._events.popleft()
            self._bytes -= len(gone.object.body)
            self._before_oldest = gone.object.resource_version
        for watcher in tuple(self._watchers.get(event.object.key.group_resource, ())):
            if watcher.wants(event):
                watcher.offer(event)

    def watch(self, of: GroupResource, namespace: str | None, since: int | None) -> Subscription:
        """Follow from after `since`, None: from now. Raises Compacted."""
        if since is not None and since < self._before_oldest:
            raise Compacted(self._before_oldest)
        subscription = Subscription(self, of, namespace, ())
        self._watchers.setdefault(of, set()).add(subscription)
        if since is not None:
            # Each write is one event and one revision, so the place of the first is known.
            for event in islice(self._events, since - self._before_oldest, None):
                if subscription.wants(event):
                    subscription.offer(event)
        return subscription

    def forget(self, subscription: Subscription) -> None:
        """Drop a watcher; unknown ones are fine."""
        for watchers in self._watchers.values():
            watchers.discard(subscription)

    def close(self) -> None:
        """End every subscription."""
        for watchers in list(self._watchers.values()):
            for subscription in list(watchers):
                subscription.close()
