"""A token for one Function, asked of the API: who may `create functions/invoke` on it gets one."""

from __future__ import annotations

from dataclasses import dataclass, field

from casemate.cli.api_client import ApiClient, function_path


@dataclass(frozen=True, slots=True)
class FunctionToken:
    """A token, the one Function that it opens, and until when."""

    token: str = field(repr=False)
    audience: str
    url: str
    expires: str
    """RFC 3339."""


def function_token(namespace: str | None, name: str, seconds: int) -> FunctionToken:
    """Ask for a token of `seconds`. Raises NoEngine, NotFound, ApiRefused."""
    body = {
        "apiVersion": "casemate.dev/v1alpha1",
        "kind": "FunctionToken",
        "spec": {"expirationSeconds": seconds},
    }
    with ApiClient.running() as client:
        path = function_path(namespace or client.namespace, name, "invoke")
        status = client.send("POST", path, body)["status"]
    return FunctionToken(
        status["token"], status["audience"], status["url"], status["expirationTimestamp"]
    )
