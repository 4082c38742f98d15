"""What the control socket can be asked: each operation takes and gives plain JSON."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from typing import Any, Protocol

from casemate.api.meta import FunctionRef
from casemate.engine.control import Operation
from casemate.errors import InvalidInput

MAX_TOKEN_SECONDS = 600


class Engine(Protocol):
    """What the operations need of the engine."""

    @property
    def url(self) -> str:
        """The gateway's address."""

    def functions(self) -> list[dict[str, Any]]:
        """Describe every Function."""

    def describe(self, ref: FunctionRef) -> dict[str, Any]:
        """Describe one Function."""

    def grant(self, ref: FunctionRef, seconds: int, subject: str) -> Any:
        """Mint a token for one Function."""

    async def posture(self, ref: FunctionRef) -> dict[str, Any]:
        """Compare a running sandbox with its plan."""


def operations(engine: Engine) -> Mapping[str, Operation]:
    """Return every operation by name."""

    async def status(_request: dict[str, Any]) -> dict[str, Any]:
        return {"url": engine.url, "pid": os.getpid(), "functions": engine.functions()}

    async def describe(request: dict[str, Any]) -> dict[str, Any]:
        return engine.describe(_ref(request))

    async def token(request: dict[str, Any]) -> dict[str, Any]:
        seconds = request.get("seconds", MAX_TOKEN_SECONDS)
        if type(seconds) is not int or not 0 < seconds <= MAX_TOKEN_SECONDS:
            raise InvalidInput(f"seconds must be 1 to {MAX_TOKEN_SECONDS}")
        grant = engine.grant(_ref(request), seconds, _subject())
        return {
            "token": grant.token,
            "audience": grant.audience,
            "url": grant.url,
            "expiresInSeconds": grant.expires_in_seconds,
        }

    async def posture(request: dict[str, Any]) -> dict[str, Any]:
        return await engine.posture(_ref(request))

    return {"status": status, "describe": describe, "token": token, "posture": posture}


def _ref(request: dict[str, Any]) -> FunctionRef:
    namespace, name = request.get("namespace", "default"), request.get("name")
    if not isinstance(namespace, str) or not isinstance(name, str):
        raise InvalidInput("namespace and name must be texts")
    return FunctionRef(namespace, name)


def _subject() -> str:
    """Name the caller: the control socket lets in only this process's own user, and root."""
    try:
        return f"user:{pwd.getpwuid(os.geteuid()).pw_name}"
    except KeyError:
        return f"user:{os.geteuid()}"
