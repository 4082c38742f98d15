"""A work queue of keys: what happened is forgotten, only *where to look* is kept.

Obligations, after client-go's work queue: a key that is added while it waits is handed out once; a
key that is added while it is being worked on is handed out again afterwards, never twice at a time;
failures of one key delay that key alone, and all retries together stay below a rate.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

# The first retry comes before a person notices; the last is what Kubernetes' controllers use.
FIRST_BACKOFF_SECONDS = 0.25
LAST_BACKOFF_SECONDS = 300.0
# As client-go's default: a common cause, such as a registry that is down, fails every key at once.
RETRIES_PER_SECOND = 10.0
RETRY_BURST = 100

Key = TypeVar("Key", bound=Hashable)


def backoff_seconds(failures: int) -> float:
    """Return the delay before the next try after `failures` failures in a row (>= 1)."""
    return min(FIRST_BACKOFF_SECONDS * 2.0 ** min(failures - 1, 20), LAST_BACKOFF_SECONDS)


class KeyQueue(Generic[Key]):
    """Hands out keys to workers, one worker per key at a time."""

    def __init__(self) -> None:
        self._waiting: deque[Key] = deque()
        self._dirty: set[Key] = set()
        self._working: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        # When the bucket of retries was, or will be, full again.
        self._retries_full_at = 0.0
        self._available = asyncio.Event()

    def add(self, key: Key) -> None:
        """Ask for a look at `key` as soon as a worker is free."""
        self._cancel_timer(key)
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._working:
            self._waiting.append(key)
            self._available.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Ask for a look at `key` later; an earlier `add` or timer wins."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if key in self._dirty or (timer and timer.when() <= loop.time() + seconds):
            return
        self._cancel_timer(key)
        self._timers[key] = loop.call_later(seconds, self.add, key)

    def retry(self, key: Key) -> float:
        """Ask for a look at `key` after its back-off; returns the delay in seconds."""
        self._failures[key] = self._failures.get(key, 0) + 1
        delay = max(backoff_seconds(self._failures[key]), self._bucket_seconds())
        self.add_after(key, delay)
        return delay

    def forget(self, key: Key) -> None:
        """Drop the memory of failures: the last look at `key` went well."""
        self._failures.pop(key, None)

    async def get(self) -> Key:
        """Wait for a key; the caller owes a `done`."""
        while not self._waiting:
            self._available.clear()
            await self._available.wait()
        key = self._waiting.popleft()
        self._dirty.discard(key)
        self._working.add(key)
        return key

    def done(self, key: Key) -> None:
        """End the work on `key`; if it was added meanwhile, it waits again."""
        self._working.discard(key)
        if key in self._dirty:
            self._waiting.append(key)
            self._available.set()

    def close(self) -> None:
        """Cancel every timer."""
        for key in list(self._timers):
            self._cancel_timer(key)

    def _bucket_seconds(self) -> float:
        """Take one retry out of the bucket; returns how long to wait for it."""
        now = asyncio.get_running_loop().time()
        self._retries_full_at = max(self._retries_full_at, now) + 1 / RETRIES_PER_SECOND
        return max(0.0, self._retries_full_at - now - RETRY_BURST / RETRIES_PER_SECOND)

    def _cancel_timer(self, key: Key) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
