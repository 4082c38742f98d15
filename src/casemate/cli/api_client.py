"""The local Kubernetes API as commands use it: one connection, JSON in and out, errors by status.

Standard library only: a command starts in a tenth of a second. What the API refuses is told in its
own words, with every cause.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, Self, TypeAlias
from urllib.parse import quote, urlencode

from casemate.cli.kube_config import Connection, NoEngine, read_connection
from casemate.errors import CasemateError, InvalidInput, NotFound, Unavailable

Tree: TypeAlias = dict[str, Any]

FUNCTIONS = "/apis/serverless.kyma-project.io/v1alpha2"
# As render.labels has it, whose import would cost each command more than its own work.
NAME_LABEL = "serverless.kyma-project.io/function-name"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
APPLY = "application/apply-patch+yaml"
_SECONDS = 30.0
_LARGEST_ANSWER_BYTES = 256 * 1024 * 1024
_OK = range(200, 300)


class ApiRefused(CasemateError):
    """The API understood and said no: forbidden, a conflict, a rule that is broken."""

    code = "ApiRefused"
    exit_code = 1


class ApiClient:
    """Speaks to one API; use it in a `with` block."""

    def __init__(self, connection: Connection) -> None:
        self.namespace = connection.namespace
        self._token = connection.token
        self._http = HTTPSConnection(
            connection.host, connection.port, timeout=_SECONDS, context=connection.tls
        )

    @classmethod
    def running(cls, kubeconfig: Path | None = None) -> ApiClient:
        """Find the running engine's API. Raises NoEngine, UnusableKubeconfig."""
        return cls(read_connection(kubeconfig))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, query: Mapping[str, str] | None = None, *, accept: str = "") -> Tree:
        """Read. Raises NotFound, ApiRefused, NoEngine."""
        return self._call("GET", path, query, None, {"accept": accept} if accept else {})

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        query: Mapping[str, str] | None = None,
        *,
        content_type: str = "application/json",
    ) -> Tree:
        """Write. Raises NotFound, InvalidInput, ApiRefused, NoEngine."""
        content = None if body is None else json.dumps(body).encode()
        return self._call(method, path, query, content, {"content-type": content_type})

    def lines(self, path: str, query: Mapping[str, str] | None = None) -> Iterator[bytes]:
        """Yield the lines of a watch or a log as they come, until the server ends it."""
        if self._http.sock is not None:
            self._http.sock.settimeout(None)
        self._http.timeout = None
        reply = self._request("GET", path, query, None, {})
        if reply.status not in _OK:
            raise _error(reply.status, reply.read(_LARGEST_ANSWER_BYTES))
        yield from reply

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> Tree:
        reply = self._request(method, path, query, body, headers)
        try:
            raw = reply.read(_LARGEST_ANSWER_BYTES)
        except (OSError, HTTPException) as error:
            raise _silent(error) from error
        if reply.status not in _OK:
            raise _error(reply.status, raw)
        try:
            found = json.loads(raw)
        except ValueError:
            raise Unavailable("the API answered with something that is no JSON") from None
        return found if isinstance(found, dict) else {"items": found}

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> HTTPResponse:
        given = {"user-agent": "casemate", "accept": "application/json", **headers}
        if self._token:
            given["authorization"] = f"Bearer {self._token}"
        target = f"{path}?{urlencode(query)}" if query else path
        try:
            self._http.request(method, target, body=body, headers=given)
            return self._http.getresponse()
        except (OSError, HTTPException) as error:
            raise _silent(error) from error


def function_path(namespace: str, name: str = "", subresource: str = "") -> str:
    """Return the path of Functions, of one, or of a door beside it."""
    return namespaced_path(FUNCTIONS, namespace, "functions", name, subresource)


def namespaced_path(base: str, namespace: str, *parts: str) -> str:
    """Return a path below a group's version; whatever a user typed stays one segment of it."""
    named = ("namespaces", namespace, *parts)
    return "/".join((base, *(quote(part, safe="") for part in named if part)))


def _silent(error: Exception) -> NoEngine:
    return NoEngine(
        f"the engine does not answer: {type(error).__name__}",
        hint="is it running? casemate status; start it: casemate up",
    )


def _error(status: int, raw: bytes) -> CasemateError:
    """Turn a Status into the error whose exit number says what kind it is."""
    try:
        told = json.loads(raw)
    except ValueError:
        told = {}
    status_object: Mapping[str, Any] = told if isinstance(told, dict) else {}
    message = str(status_object.get("message") or f"the API answered {status}")
    causes = (status_object.get("details") or {}).get("causes") or ()
    listed = [
        f"  {cause.get('field', '')}: {cause.get('message', '')}"
        for cause in causes
        if isinstance(cause, dict)
    ]
    text = "\n".join((message, *listed)) if len(listed) > 1 else message
    if status == 404:  # noqa: PLR2004
        return NotFound(text, hint="see what there is: casemate get functions -A")
    if status in (400, 415, 422):
        return InvalidInput(text)
    if status in (429, 503, 504, 507):
        return Unavailable(text)
    return ApiRefused(text, hint=_hint(status))


def _hint(status: int) -> str:
    if status == 403:  # noqa: PLR2004
        return "ask for the role, or see what you may do: kubectl auth can-i --list"
    return "it was changed meanwhile, or by somebody else: look again" if status == 409 else ""  # noqa: PLR2004
