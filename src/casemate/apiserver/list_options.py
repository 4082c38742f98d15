"""The query of a list or watch -> its options. Source: meta/v1 ListOptions, Kubernetes 1.36."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from casemate.apiserver.resource import Resource
from casemate.apiserver.selectors import (
    FieldSelector,
    LabelSelector,
    parse_field_selector,
    parse_label_selector,
)
from casemate.apiserver.status_error import Cause, Subject, bad_request, invalid
from casemate.apiserver.write_options import flag, whole_number

EXACT, NOT_OLDER = "Exact", "NotOlderThan"
_MOST_SHOWN = 64
# As a watch without a wish: between these, so that many watchers do not end together.
_LONGEST_WATCH_SECONDS = 12 * 3600


@dataclass(frozen=True, slots=True)
class ListOptions:
    """Which objects, of which version, and how many at a time."""

    labels: LabelSelector
    fields: FieldSelector
    limit: int = 0
    continue_token: str = ""
    resource_version: int | None = None
    """None: the newest."""
    match: str = ""
    bookmarks: bool = False
    initial_events: bool | None = None
    timeout_seconds: int | None = None


def list_options(resource: Resource, query: Mapping[str, str], *, watch: bool) -> ListOptions:
    """Read the options. Raises ApiError 400 or 422."""
    match = query.get("resourceVersionMatch", "")
    initial = flag(query, "sendInitialEvents") if "sendInitialEvents" in query else None
    version = whole_number(query, "resourceVersion")
    causes = _watch_causes(query, match) if watch else _list_causes(query, match, version)
    if causes:
        raise invalid(Subject("meta.k8s.io", "ListOptions"), causes, kind="ListOptions")
    timeout = whole_number(query, "timeoutSeconds")
    token = query.get("continue", "")
    if token and version:
        raise bad_request("specifying resource version is not allowed when using continue")
    return ListOptions(
        parse_label_selector(query.get("labelSelector", "")),
        parse_field_selector(resource, query.get("fieldSelector", "")),
        0 if watch else whole_number(query, "limit") or 0,
        token,
        version,
        match,
        flag(query, "allowWatchBookmarks"),
        initial,
        min(timeout, _LONGEST_WATCH_SECONDS) if timeout else None,
    )


def _list_causes(query: Mapping[str, str], match: str, version: int | None) -> list[Cause]:
    causes = []
    if match and version is None:
        causes.append(
            _no_match("resourceVersionMatch is forbidden unless resourceVersion is provided")
        )
    if match and query.get("continue"):
        causes.append(_no_match("resourceVersionMatch is forbidden when continue is provided"))
    if match not in ("", EXACT, NOT_OLDER):
        causes.append(_not_supported(match, (EXACT, NOT_OLDER, "")))
    if match == EXACT and version == 0:
        causes.append(
            _no_match('resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
        )
    if "sendInitialEvents" in query:
        causes.append(_forbidden("sendInitialEvents is forbidden for list", "sendInitialEvents"))
    return causes


def _watch_causes(query: Mapping[str, str], match: str) -> list[Cause]:
    causes = []
    initial = "sendInitialEvents" in query
    if initial and match != NOT_OLDER:
        causes.append(
            _no_match(f"sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER}")
        )
    if match and not initial:
        why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        causes.append(_no_match(why))
    if match not in ("", NOT_OLDER):
        causes.append(_not_supported(match, (NOT_OLDER,)))
    if match and query.get("continue"):
        causes.append(_no_match("resourceVersionMatch is forbidden when continue is provided"))
    return causes


def _no_match(why: str) -> Cause:
    return _forbidden(why, "resourceVersionMatch")


def _not_supported(match: str, supported: tuple[str, ...]) -> Cause:
    listed = ", ".join(f'"{value}"' for value in supported)
    text = f'Unsupported value: "{match[:_MOST_SHOWN]}": supported values: {listed}'
    return Cause("FieldValueNotSupported", text, "resourceVersionMatch")


def _forbidden(why: str, field: str) -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {why}", field)
