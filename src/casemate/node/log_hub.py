"""Hands log records to whoever follows them, and lets no slow follower hold anything up.

Every follower has a bounded queue. When it is full, records are dropped for that follower alone,
and it reads how many in the place where they are missing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from casemate.node.log_records import LineOrigin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casemate.node.log_records import LogRecord

# About half a megabyte of ordinary lines for each follower.
FOLLOWER_RECORDS = 2048


@dataclass(frozen=True, slots=True)
class FollowedRecord:
    """A record and the Function that wrote it."""

    namespace: str
    function: str
    record: LogRecord


class Follower:
    """An endless async iterator of records from now on; close it when done."""

    def __init__(self, hub: LogHub, *, namespace: str, function: str, capacity: int) -> None:
        """Match one namespace or, if empty, all; the same with the Function."""
        self._hub = hub
        self._namespace = namespace
        self._function = function
        self._capacity = capacity
        self._queue: deque[FollowedRecord] = deque()
        self._dropped = 0
        self._arrived = asyncio.Event()
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> FollowedRecord:
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._queue.popleft()

    def close(self) -> None:
        """Stop following: what is queued can still be read, then the iteration ends."""
        self._closed = True
        self._arrived.set()
        self._hub.forget(self)

    def matches(self, namespace: str, function: str) -> bool:
        """Tell whether this follower wants records of that Function."""
        return self._namespace in ("", namespace) and self._function in ("", function)

    def offer(self, followed: FollowedRecord) -> None:
        """Queue a record, or count it as dropped."""
        # Room for two: the notice goes where the gap is, before the record that follows it.
        if len(self._queue) + 2 > self._capacity:
            self._dropped += 1
            return
        if self._dropped:
            record = followed.record
            origin = LineOrigin(record.time, record.stream, record.instance)
            notice = origin.notice(f"dropped {self._dropped} lines: this reader is too slow")
            self._dropped = 0
            self._queue.append(FollowedRecord(followed.namespace, followed.function, notice))
        self._queue.append(followed)
        self._arrived.set()


class LogHub:
    """All followers of one engine."""

    def __init__(self) -> None:
        self._followers: list[Follower] = []

    def follow(
        self, *, namespace: str = "", function: str = "", capacity: int = FOLLOWER_RECORDS
    ) -> Follower:
        """Follow one Function, one namespace or, with neither given, everything."""
        follower = Follower(self, namespace=namespace, function=function, capacity=capacity)
        self._followers.append(follower)
        return follower

    def publish(self, namespace: str, function: str, records: Sequence[LogRecord]) -> None:
        """Offer records to all who match; never waits."""
        for follower in [f for f in self._followers if f.matches(namespace, function)]:
            for record in records:
                follower.offer(FollowedRecord(namespace, function, record))

    def forget(self, follower: Follower) -> None:
        """Drop a follower; unknown ones are fine."""
        if follower in self._followers:
            self._followers.remove(follower)
