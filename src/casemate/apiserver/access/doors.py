"""The doors of access: reviews and token requests, as the router calls them."""

from __future__ import annotations

from collections.abc import Mapping

from casemate.apiserver.access.authentication import Authenticator
from casemate.apiserver.access.rbac import Authorizer
from casemate.apiserver.access.reviews import (
    access_review,
    rules_review,
    self_review,
    token_review,
)
from casemate.apiserver.access.service_account_tokens import Account, ServiceAccountTokens
from casemate.apiserver.access.token_requests import token_request
from casemate.apiserver.body import read_tree
from casemate.apiserver.call import Call, Door
from casemate.apiserver.reply import Reply, tree_reply
from casemate.apiserver.resource import Resource, Tree
from casemate.apiserver.status_error import Subject, bad_request, method_not_allowed
from casemate.apiserver.store.database import Store
from casemate.apiserver.store.objects import ObjectKey

_AUTHENTICATION, _AUTHORIZATION = "authentication.k8s.io", "authorization.k8s.io"


class AccessDoors:
    """Answers questions about access from the parts that decide it."""

    def __init__(
        self,
        store: Store,
        authorizer: Authorizer,
        authenticator: Authenticator,
        tokens: ServiceAccountTokens,
    ) -> None:
        self._store = store
        self._authorizer = authorizer
        self._authenticator = authenticator
        self._tokens = tokens

    def doors(self) -> Mapping[tuple[str, str, str], Door]:
        """Return every door by (group, plural, subresource)."""
        return {
            (_AUTHORIZATION, "subjectaccessreviews", ""): self._access,
            (_AUTHORIZATION, "selfsubjectaccessreviews", ""): self._access,
            (_AUTHORIZATION, "localsubjectaccessreviews", ""): self._access,
            (_AUTHORIZATION, "selfsubjectrulesreviews", ""): self._rules,
            (_AUTHENTICATION, "tokenreviews", ""): self._token_review,
            (_AUTHENTICATION, "selfsubjectreviews", ""): self._self,
            ("", "serviceaccounts", "token"): self._token,
        }

    async def _access(self, call: Call, resource: Resource) -> Reply:
        tree = _question(call, resource)
        answer = access_review(tree, self._authorizer, call.user, call.asked.namespace)
        return tree_reply(answer, 201)

    async def _rules(self, call: Call, resource: Resource) -> Reply:
        answer = rules_review(_question(call, resource), self._authorizer, call.user)
        return tree_reply(answer, 201)

    async def _token_review(self, call: Call, resource: Resource) -> Reply:
        tree = _question(call, resource)
        return tree_reply(token_review(tree, self._authenticator, self._tokens.issuer), 201)

    async def _self(self, call: Call, resource: Resource) -> Reply:
        return tree_reply(self_review(_question(call, resource), call.user), 201)

    async def _token(self, call: Call, resource: Resource) -> Reply:
        namespace, name = call.asked.namespace, call.asked.name
        tree = _question(call, resource, "TokenRequest", f"{_AUTHENTICATION}/v1")
        stored = self._store.get(ObjectKey("", "serviceaccounts", namespace, name))
        account = Account(namespace, name, stored.uid) if stored is not None else None
        return tree_reply(token_request(tree, account, name, self._tokens), 201)


def account_uid(store: Store, namespace: str, name: str) -> str | None:
    """Return the uid of a ServiceAccount that exists now."""
    stored = store.get(ObjectKey("", "serviceaccounts", namespace, name))
    return stored.uid if stored is not None else None


def _question(call: Call, resource: Resource, kind: str = "", version: str = "") -> Tree:
    """Read the body as the kind that is asked here. Raises ApiError 400 or 405."""
    asked = call.asked
    if asked.verb != "create":
        subject = Subject(resource.group, resource.plural, asked.name)
        raise method_not_allowed(subject, asked.verb)
    tree = read_tree(call.body, call.content_type) if call.body else {}
    wanted_kind, wanted_version = kind or resource.kind, version or resource.api_version
    given = (tree.get("apiVersion") or wanted_version, tree.get("kind") or wanted_kind)
    if given != (wanted_version, wanted_kind):
        raise bad_request(
            f"the API version and kind in the data ({given[0]}, Kind={given[1]}) do not match the "
            f"expected ones ({wanted_version}, Kind={wanted_kind})"
        )
    shape = {"kind": wanted_kind, "apiVersion": wanted_version, "metadata": {}}
    return shape | {key: value for key, value in tree.items() if key != "status"}
