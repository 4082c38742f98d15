"""Watch: the events of a list's future, in order, each once; a reader who cannot follow is ended.

The stream never lies: what it cannot deliver any more (compacted history, a watcher too slow) is
an ERROR event with 410 and the end of the stream, so that the client lists again.
Source: watch cache of k8s.io/apiserver v0.36 (initial events, bookmarks, errors as events).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from casemate import clock
from casemate.apiserver.list_options import ListOptions
from casemate.apiserver.reads import matches, too_large
from casemate.apiserver.resource import Resource
from casemate.apiserver.status_error import ApiError, expired
from casemate.apiserver.store.database import Store
from casemate.apiserver.store.history import Compacted, Subscription, TooSlow
from casemate.apiserver.store.objects import EventType, StoredObject, StoreEvent

BOOKMARK_SECONDS = 60.0
# Without a wish of the client; long enough to be rare, short enough to find dead connections.
DEFAULT_WATCH_SECONDS = 1800.0
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class Change:
    """ADDED, MODIFIED or DELETED as this watcher sees it."""

    type: EventType
    object: StoredObject


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Everything up to this resourceVersion was sent."""

    resource_version: int
    initial_events_end: bool = False


@dataclass(frozen=True, slots=True)
class Broken:
    """The stream ends here; `error` is told as an ERROR event."""

    error: ApiError


WatchItem = Change | Bookmark | Broken


async def watch(
    store: Store, resource: Resource, namespace: str | None, options: ListOptions
) -> AsyncIterator[WatchItem]:
    """Yield until the time is over, the caller closes, or something is `Broken`."""
    wanted = options.resource_version
    if wanted and wanted > store.revision:
        yield Broken(too_large(wanted, store.revision))
        return
    initial = options.initial_events if options.initial_events is not None else not wanted
    # 0 is "any": without initial events that is from now.
    since = None if initial else wanted or None
    # Subscribed before the list is taken, on one thread: nothing happens between the two.
    try:
        subscription = store.watch(resource.group_resource, namespace, since)
    except Compacted as error:
        yield Broken(expired(f"too old resource version: {wanted} ({error.oldest})"))
        return
    try:
        last = wanted or store.revision
        if initial:
            snapshot = store.list(resource.group_resource, namespace)
            last = snapshot.resource_version
            for stored in snapshot.items:
                if matches(stored, options):
                    yield Change(EventType.ADDED, stored)
            if options.initial_events:
                yield Bookmark(last, initial_events_end=True)
        async for item in _follow(store, subscription, options, last):
            yield item
    finally:
        subscription.close()


async def _follow(
    store: Store, subscription: Subscription, options: ListOptions, last: int
) -> AsyncIterator[WatchItem]:
    seconds = options.timeout_seconds or DEFAULT_WATCH_SECONDS
    end = clock.monotonic_seconds() + seconds
    bookmark = clock.monotonic_seconds() + BOOKMARK_SECONDS
    while (now := clock.monotonic_seconds()) < end:
        # What this watcher has seen at least: everything up to here is in its queue or was sent.
        reached = store.revision
        try:
            event = await subscription.next(max(0.0, min(end, bookmark) - now))
        except TooSlow:
            yield Broken(expired("the watcher is too slow: list again"))
            return
        if event is not None:
            last = event.object.resource_version
            change = _as_seen(event, options)
            if change is not None:
                yield change
        elif subscription.closed:
            return
        else:
            last = max(last, reached)
        # Also between events: a busy stream that shows this watcher nothing still moves on.
        if clock.monotonic_seconds() >= bookmark:
            bookmark = clock.monotonic_seconds() + BOOKMARK_SECONDS
            if options.bookmarks:
                yield Bookmark(last)


def _as_seen(event: StoreEvent, options: ListOptions) -> Change | None:
    """Turn an event into what a watcher with these selectors sees of it."""
    if options.labels.is_empty and options.fields.is_empty:
        return Change(event.type, event.object)
    now = event.type is not EventType.DELETED and matches(event.object, options)
    before = event.previous is not None and matches(event.previous, options)
    if now:
        return Change(EventType.MODIFIED if before else EventType.ADDED, event.object)
    if before:
        # The object as it is now, which is how Kubernetes tells that it left the selection.
        return Change(EventType.DELETED, event.object)
    return None
