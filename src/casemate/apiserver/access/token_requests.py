"""TokenRequest: a short-lived token of a ServiceAccount, for whoever may ask for it.

Source: k8s.io/kubernetes v1.36, pkg/registry/core/serviceaccount/storage/token.go. A token that is
bound to an object is refused rather than made without the bond: it would outlive that object.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from casemate import clock
from casemate.apiserver.access.service_account_tokens import (
    DEFAULT_SECONDS,
    LEAST_SECONDS,
    MOST_AUDIENCES,
    MOST_SECONDS,
    Account,
    ServiceAccountTokens,
)
from casemate.apiserver.resource import Tree
from casemate.apiserver.status_error import Cause, Subject, bad_request, invalid, not_found

_KIND = "TokenRequest"
_LARGEST_SECONDS = 2**32


def token_request(
    tree: Tree,
    account: Account | None,
    name: str,
    tokens: ServiceAccountTokens,
    now_seconds: Callable[[], int] = clock.now_seconds,
) -> Tree:
    """Answer with a token of `account`, None: there is none of that name. Raises ApiError."""
    if account is None:
        raise not_found(Subject("", "serviceaccounts", name))
    metadata = tree.get("metadata") or {}
    given = metadata.get("name") if isinstance(metadata, dict) else None
    if given and given != name:
        raise bad_request("the name of the token request does not match that of the account")
    found = tree.get("spec")
    spec: dict[str, Any] = found if isinstance(found, dict) else {}
    bound = spec.get("boundObjectRef")
    if bound:
        kind = bound.get("kind", "") if isinstance(bound, dict) else ""
        raise bad_request(f"cannot bind token to object of type {kind}: tokens here have no bonds")
    audiences, asked = spec.get("audiences") or [], spec.get("expirationSeconds")
    seconds = DEFAULT_SECONDS if asked is None else asked
    causes = [*_audience_causes(audiences), *_seconds_causes(seconds)]
    if causes:
        subject = Subject("authentication.k8s.io", "tokenrequests", name)
        raise invalid(subject, causes, kind=_KIND)
    # As an installation's own limit does in Kubernetes: shortened, and said in the answer.
    seconds = min(seconds, MOST_SECONDS)
    named = tuple(audiences) or (tokens.issuer,)
    token = tokens.mint(account, named, now_seconds(), seconds)
    end = clock.rfc3339(clock.now() + timedelta(seconds=seconds))
    return {
        "kind": _KIND,
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {
            "name": account.name,
            "namespace": account.namespace,
            "creationTimestamp": clock.rfc3339(clock.now()),
        },
        "spec": {
            "audiences": list(named),
            "expirationSeconds": seconds,
            "boundObjectRef": None,
        },
        "status": {"token": token, "expirationTimestamp": end},
    }


def _audience_causes(audiences: object) -> list[Cause]:
    field = "spec.audiences"
    if not isinstance(audiences, list) or not all(isinstance(one, str) for one in audiences):
        return [Cause("FieldValueInvalid", "Invalid value: must be a list of texts", field)]
    if len(audiences) > MOST_AUDIENCES:
        text = f"Too many: {len(audiences)}: must have at most {MOST_AUDIENCES} items"
        return [Cause("FieldValueTooMany", text, field)]
    return []


def _seconds_causes(seconds: object) -> list[Cause]:
    field = "spec.expirationSeconds"
    why = ""
    if type(seconds) is not int:
        why = "must be a whole number"
    elif seconds < LEAST_SECONDS:
        why = "may not specify a duration less than 10 minutes"
    elif seconds > _LARGEST_SECONDS:
        why = "may not specify a duration larger than 2^32 seconds"
    return [Cause("FieldValueInvalid", f"Invalid value: {seconds!r}: {why}", field)] if why else []
