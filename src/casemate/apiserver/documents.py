"""What the API says about itself: discovery, OpenAPI, version and health. The rest is 404."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from casemate.apiserver.call import Call
from casemate.apiserver.discovery import (
    AGGREGATED_TYPE,
    aggregated,
    api_versions,
    group_document,
    group_list,
    group_versions,
    resource_list,
    wants_aggregated,
)
from casemate.apiserver.openapi import Document, OpenApi
from casemate.apiserver.openapi_protobuf import ASKED_V2, PROTOBUF_V2
from casemate.apiserver.reply import Reply, tree_reply
from casemate.apiserver.resource import Resource
from casemate.apiserver.status_error import ApiError, no_such_path

KUBERNETES_VERSION = ("1", "36")
_PLAIN = "text/plain; charset=utf-8"
_HEALTH = frozenset({"healthz", "livez", "readyz"})
_MOST_SHOWN = 64
Check = Callable[[], bool]
Answer = Callable[[Call], Reply]


class Documents:
    """The callable that a Router asks for every path that is no resource."""

    def __init__(
        self, resources: Iterable[Resource], checks: Mapping[str, Check] | None = None
    ) -> None:
        """`checks` are asked by /readyz and its kin; that the server answers is always one."""
        self._groups = group_versions(resources)
        self._openapi = OpenApi(one for some in self._groups.values() for one in some)
        self._checks: dict[str, Check] = {"ping": lambda: True, **(checks or {})}
        self._core = Document.of(aggregated([one for one in self._groups.items() if not one[0][0]]))
        self._named = Document.of(aggregated([one for one in self._groups.items() if one[0][0]]))

    async def __call__(self, call: Call) -> Reply:
        """Answer. Raises ApiError 404 or 405."""
        path = call.asked.path.removesuffix("/")
        segments = path.removeprefix("/").split("/") if path else []
        find = self._finder(segments)
        if find is None:
            raise no_such_path()
        if call.asked.verb not in {"get", "head"}:
            message = "the server does not allow this method on the requested resource"
            raise ApiError(405, "MethodNotAllowed", message)
        return find(call)

    def _finder(self, segments: list[str]) -> Answer | None:
        fixed: dict[str, Answer] = {
            "": lambda _call: tree_reply({"paths": self._paths()}),
            "version": lambda _call: tree_reply(_version()),
            "openapi/v2": self._openapi_v2,
            "openapi/v3": lambda call: _known(call, self._openapi.index),
            "api": self._api,
            "apis": self._apis,
        }
        answer = fixed.get("/".join(segments))
        if answer is not None:
            return answer
        match segments:
            case ["openapi", "v3", *rest]:
                answer = self._openapi_v3("/".join(rest))
            case [health, *rest] if health in _HEALTH:
                answer = self._health(health, rest)
            case ["api", version]:
                answer = self._resources("", version)
            case ["apis", group, *rest] if group:
                answer = self._resources(group, *rest)
        return answer

    def _resources(self, group: str, *rest: str) -> Answer | None:
        versions = {version for known, version in self._groups if known == group}
        match rest:
            case (version,) if version in versions:
                some = self._groups[group, version]
                return lambda _call: tree_reply(resource_list(group, version, some))
            case () if versions:
                # Every group has one version here.
                return lambda _call: tree_reply(group_document(group, min(versions)))
        return None

    def _api(self, call: Call) -> Reply:
        if wants_aggregated(call.headers.get("accept", "")):
            return _known(call, self._core, AGGREGATED_TYPE)
        return tree_reply(api_versions(call.headers.get("host", "")))

    def _apis(self, call: Call) -> Reply:
        if wants_aggregated(call.headers.get("accept", "")):
            return _known(call, self._named, AGGREGATED_TYPE)
        return tree_reply(group_list(list(self._groups)))

    def _openapi_v2(self, call: Call) -> Reply:
        accept = call.headers.get("accept", "")
        if accept.strip() in ASKED_V2:
            return _known(call, self._openapi.v2_protobuf, PROTOBUF_V2)
        return _known(call, self._openapi.v2)

    def _openapi_v3(self, name: str) -> Answer | None:
        document = self._openapi.group_version(name)
        return None if document is None else lambda call: _known(call, document)

    def _health(self, name: str, rest: list[str]) -> Answer | None:
        """Answer for all checks, or for the one that the rest of the path names."""
        asked = {check: self._checks[check] for check in rest or self._checks
                 if check in self._checks}  # fmt: skip
        if len(rest) > 1 or not asked:
            return None
        return lambda call: _health_reply(name, asked, call.query)

    def _paths(self) -> list[str]:
        """Return the paths that one may begin with."""
        found = {"/api", "/apis", "/openapi/v2", "/openapi/v3", "/version"}
        found |= {f"/{name}" for name in _HEALTH}
        for group, version in self._groups:
            base = f"/apis/{group}" if group else "/api"
            found |= {base, f"{base}/{version}"}
        return sorted(found)


def _known(call: Call, document: Document, content_type: str = "application/json") -> Reply:
    """Answer with a document, or that the caller has it already."""
    tag = f'"{document.digest}"'
    headers = (("etag", tag), ("vary", "Accept"))
    if call.headers.get("if-none-match") == tag:
        return Reply(304, content_type=content_type, headers=headers)
    return Reply(200, document.body, content_type, headers)


def _health_reply(name: str, checks: Mapping[str, Check], query: Mapping[str, str]) -> Reply:
    excluded = query.get("exclude")
    lines, failed = [], []
    for check, is_good in checks.items():
        if check == excluded:
            lines.append(f"[+]{check} excluded: ok")
        elif is_good():
            lines.append(f"[+]{check} ok")
        else:
            # The endpoint is public: the reason stands in the log of whoever failed.
            lines.append(f"[-]{check} failed: reason withheld")
            failed.append(check)
    if excluded is not None and excluded not in checks:
        shown = excluded[:_MOST_SHOWN]
        lines.append(f'warn: some health checks cannot be excluded: no matches for "{shown}"')
    if failed:
        return Reply(500, _lines(*lines, f"{name} check failed"), _PLAIN)
    if "verbose" not in query:
        return Reply(200, b"ok", _PLAIN)
    return Reply(200, _lines(*lines, f"{name} check passed"), _PLAIN)


def _lines(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _version() -> dict[str, Any]:
    major, minor = KUBERNETES_VERSION
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{major}.{minor}.0+casemate",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "",
        "goVersion": "",
        "compiler": platform.python_implementation().lower(),
        "platform": f"{platform.system().lower()}/{machine}",
    }
