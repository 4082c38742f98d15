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

_MATCHES = ("", "NotOlderThan", "Exact")
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
    causes = _causes(watch, match, initial, version)
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


def _causes(
    watch: bool,
    match: str,
    initial: bool | None,
    version: int | None,
) -> list[Cause]:
    causes = []
    if match not in _MATCHES:
        text = f'Unsupported value: "{match[:64]}": supported values: "Exact", "NotOlderThan"'
        causes.append(Cause("FieldValueNotSupported", text, "resourceVersionMatch"))
    elif watch and match and initial is None:
        causes.append(_forbidden("resourceVersionMatch is forbidden for watch unless "
                                 "sendInitialEvents is provided", "resourceVersionMatch"))  # fmt: skip
    elif watch and initial is not None and match != "NotOlderThan":
        causes.append(_forbidden("sendInitialEvents requires setting resourceVersionMatch to "
                                 "NotOlderThan", "resourceVersionMatch"))  # fmt: skip
    elif not watch and match and version is None:
        causes.append(_forbidden("resourceVersionMatch is forbidden unless resourceVersion is "
                                 "provided", "resourceVersionMatch"))  # fmt: skip
    elif match == "Exact" and version == 0:
        causes.append(_forbidden('resourceVersionMatch "Exact" is forbidden for resourceVersion '
                                 '"0"', "resourceVersionMatch"))  # fmt: skip
    if not watch and initial is not None:
        causes.append(_forbidden("sendInitialEvents is forbidden for list", "sendInitialEvents"))
    return causes


def _forbidden(why: str, field: str) -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {why}", field)
