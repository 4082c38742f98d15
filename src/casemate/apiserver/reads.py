"""Get and list: answers come from memory and are of one moment, however many pages they have.

A long list is cut from one snapshot that is kept for a while; a page that asks for it later than
that hears 410 and starts again, as with Kubernetes after a compaction.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from casemate import clock
from casemate.apiserver.list_options import ListOptions
from casemate.apiserver.resource import GroupResource
from casemate.apiserver.status_error import ApiError, Cause, bad_request, expired
from casemate.apiserver.store.database import Store
from casemate.apiserver.store.objects import Snapshot, StoredObject

# As long as Kubernetes keeps what a continue token needs.
KEPT_SECONDS = 300.0
# A kept list holds bodies that the store may have replaced since. A caller who starts hundreds and
# finishes none loses the oldest: these bounds are what he can make the engine hold.
MOST_KEPT = 64
MOST_KEPT_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Page:
    """Some objects of a list."""

    items: tuple[StoredObject, ...]
    resource_version: int
    continue_token: str = ""
    remaining: int | None = None


@dataclass(frozen=True, slots=True)
class _Kept:
    """The rest of a list that somebody pages through."""

    of: tuple[GroupResource, str | None, str]
    snapshot: Snapshot
    counted: bool
    bytes: int
    until_seconds: float


class Reads:
    """The reading verbs over one store."""

    def __init__(
        self, store: Store, monotonic_seconds: Callable[[], float] = clock.monotonic_seconds
    ) -> None:
        self._store = store
        self._seconds = monotonic_seconds
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._kept_bytes = 0

    def list(
        self, group_resource: GroupResource, namespace: str | None, options: ListOptions
    ) -> Page:
        """Return the objects that match, or one page of them. Raises ApiError 400, 410, 504."""
        asked = (group_resource, namespace, f"{options.labels}|{options.fields}")
        if options.continue_token:
            return self._next(asked, options)
        self._check_version(options)
        snapshot = self._store.list(group_resource, namespace)
        selected = not (options.labels.is_empty and options.fields.is_empty)
        if selected:
            snapshot = Snapshot(
                tuple(one for one in snapshot.items if matches(one, options)),
                snapshot.resource_version,
            )
        return self._page(asked, snapshot, 0, options.limit, counted=not selected)

    def _next(self, asked: tuple[GroupResource, str | None, str], options: ListOptions) -> Page:
        identity, start = _read_token(options.continue_token)
        kept = self._kept.get(identity)
        if kept is None or kept.until_seconds < self._seconds():
            self._drop(identity)
            raise expired(
                "The provided continue parameter is too old to display a consistent list result. "
                "You must start a new list without the continue parameter."
            )
        if kept.of != asked:
            raise bad_request("continue key is not valid: it belongs to another list")
        return self._page(
            asked, kept.snapshot, start, options.limit, counted=kept.counted, identity=identity
        )

    def _page(
        self,
        asked: tuple[GroupResource, str | None, str],
        snapshot: Snapshot,
        start: int,
        limit: int,
        *,
        counted: bool,
        identity: str = "",
    ) -> Page:
        end = start + limit if limit else len(snapshot.items)
        items = snapshot.items[start:end]
        left = len(snapshot.items) - end
        if left <= 0:
            return Page(items, snapshot.resource_version)
        identity = identity or self._keep(asked, snapshot, counted=counted)
        token = base64.urlsafe_b64encode(json.dumps([identity, end]).encode()).decode()
        return Page(items, snapshot.resource_version, token, left if counted else None)

    def _keep(
        self, asked: tuple[GroupResource, str | None, str], snapshot: Snapshot, *, counted: bool
    ) -> str:
        """Keep a list for as long as a token of it may be used, and the newest before others."""
        size = sum(len(one.body) for one in snapshot.items)
        identity = secrets.token_urlsafe(12)
        until = self._seconds() + KEPT_SECONDS
        self._kept[identity] = _Kept(asked, snapshot, counted, size, until)
        self._kept_bytes += size
        while len(self._kept) > 1 and (
            len(self._kept) > MOST_KEPT
            or self._kept_bytes > MOST_KEPT_BYTES
            or next(iter(self._kept.values())).until_seconds < self._seconds()
        ):
            self._drop(next(iter(self._kept)))
        return identity

    def _drop(self, identity: str) -> None:
        kept = self._kept.pop(identity, None)
        self._kept_bytes -= kept.bytes if kept is not None else 0

    def _check_version(self, options: ListOptions) -> None:
        wanted = options.resource_version
        if not wanted:
            return
        if wanted > self._store.revision:
            raise too_large(wanted, self._store.revision)
        if options.match == "Exact" and wanted != self._store.revision:
            raise expired("The resourceVersion for the provided list is too old.")


def matches(stored: StoredObject, options: ListOptions) -> bool:
    """Whether an object is selected."""
    if not options.labels.matches(stored.labels):
        return False
    return options.fields.is_empty or options.fields.matches(stored.tree())


def too_large(wanted: int, current: int) -> ApiError:
    """504: a resourceVersion of the future, as after a restore from a backup."""
    return ApiError(
        504,
        "Timeout",
        f"Too large resource version: {wanted}, current: {current}",
        causes=(Cause("ResourceVersionTooLarge", "Too large resource version"),),
        retry_after_seconds=1,
    )


def _read_token(token: str) -> tuple[str, int]:
    try:
        identity, start = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (binascii.Error, ValueError, TypeError):
        raise bad_request("continue key is not valid") from None
    if not isinstance(identity, str) or type(start) is not int or start < 0:
        raise bad_request("continue key is not valid")
    return identity, start
