"""The path and method of a request -> what is asked of which resource; pure.

Authorization, routing and audit all read this one value, so that no two of them can understand a
path differently. A path that is not written in its one normal form is refused, not repaired.
Source of the rules: k8s.io/apiserver v0.36, pkg/endpoints/request (RequestInfo).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from casemate.apiserver.status_error import no_such_path

_SEGMENT = re.compile(r"[A-Za-z0-9._:~@!$&'()*+,;=-]+")
_NAME_TERM = re.compile(r"metadata\.name==?([a-zA-Z0-9.:-]+)")
_MOST_SEGMENTS = 12
_BY_METHOD = {
    "GET": "get",
    "HEAD": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}


@dataclass(frozen=True, slots=True)
class RequestPath:
    """What is asked; for a path outside of the API groups `plural` is empty and `path` counts."""

    verb: str
    """A Kubernetes verb, or the lower case method for a non-resource path."""
    path: str
    group: str = ""
    version: str = ""
    namespace: str = ""
    plural: str = ""
    name: str = ""
    subresource: str = ""
    selected: str = ""
    """Of a collection: the one name that its field selector leaves, which a role may name."""

    @property
    def is_resource(self) -> bool:
        """Whether this is about a resource."""
        return bool(self.plural)


def parse_request_path(method: str, path: str, query: Mapping[str, str]) -> RequestPath:
    """Read one request line; raises ApiError 404 for what is not in normal form."""
    segments = _segments(path)
    verb = _BY_METHOD.get(method, method.lower())
    located = _located(segments)
    if located is None:
        return RequestPath(method.lower(), path)
    group, version, rest = located
    namespace, rest = _namespace(rest)
    if not rest:
        return RequestPath(method.lower(), path)
    plural, name, *more = (*rest, "") if len(rest) == 1 else rest
    if len(more) > 1:
        raise no_such_path()
    subresource = more[0] if more else ""
    selected = "" if name else _selected(query.get("fieldSelector", ""))
    return RequestPath(
        _collection_verb(verb, name, query), path, group, version, namespace, plural, name,
        subresource, selected,
    )  # fmt: skip


def _segments(path: str) -> list[str]:
    if path in {"", "/"}:
        return []
    # A trailing slash is how some clients write a group's address.
    raw = path.removeprefix("/").removesuffix("/").split("/")
    segments = [unquote(segment) for segment in raw]
    # ATTACK: an encoded slash or dot segment would be one path to the authorizer and another to
    # the router. tests/unit/apiserver/test_request_path.py
    if len(raw) > _MOST_SEGMENTS or any(
        not _SEGMENT.fullmatch(segment) or segment in {".", ".."} for segment in segments
    ):
        raise no_such_path()
    return segments


def _located(segments: list[str]) -> tuple[str, str, list[str]] | None:
    match segments:
        case ["api", version, *rest] if rest:
            return "", version, rest
        case ["apis", group, version, *rest] if rest:
            return group, version, rest
        case _:
            return None


def _namespace(rest: list[str]) -> tuple[str, list[str]]:
    """Split off the namespace; `namespaces/x` alone is the Namespace x itself."""
    if rest[0] != "namespaces" or len(rest) == 1:
        return "", rest
    if len(rest) == 2 or (len(rest) == 3 and rest[2] in {"status", "finalize"}):  # noqa: PLR2004
        # A Namespace is authorized in itself, as Kubernetes does.
        return rest[1], rest
    return rest[1], rest[2:]


def _collection_verb(verb: str, name: str, query: Mapping[str, str]) -> str:
    if verb == "get" and query.get("watch", "") in {"1", "true", "True", "TRUE", "t", "T"}:
        return "watch"
    if name:
        return verb
    return {"get": "list", "delete": "deletecollection"}.get(verb, verb)


def _selected(selector: str) -> str:
    # ATTACK: the list is filtered by the same text, so what is allowed by this name shows no other
    # object. tests/contract/test_access.py::test_a_role_for_names_covers_only_those
    for term in selector.split(","):
        found = _NAME_TERM.fullmatch(term)
        if found is not None:
            return found[1]
    return ""
