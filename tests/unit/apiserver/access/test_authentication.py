"""Who is calling: one credential counts, and acting for others is a permission."""

from __future__ import annotations

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from casemate.apiserver.access.attributes import ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, User
from casemate.apiserver.access.authentication import Authenticator, StaticToken
from casemate.apiserver.access.certificates import ensure_certificates
from casemate.apiserver.access.rbac import Authorizer
from casemate.apiserver.access.service_account_tokens import Account, ServiceAccountTokens
from casemate.apiserver.status_error import ApiError
from casemate.identity.keys import SigningKey

NOW = 1_800_000_000
ACCOUNT = Account("shop", "ci", "uid-1")
TOKENS = ServiceAccountTokens(SigningKey.generate(), "https://api", lambda *_: "uid-1")
STATIC = StaticToken(hashlib.sha256(b"known").digest(), User("alice"))


def an_authenticator(*rules):
    authorizer = Authorizer()
    authorizer.replace(
        [],
        [{"metadata": {"name": "r"}, "rules": list(rules)}],
        [],
        [{
            "metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "r"},
            "subjects": [{"kind": "User", "name": "alice"}],
        }],
    )  # fmt: skip
    return Authenticator(TOKENS, authorizer, lambda: NOW, (STATIC,))


def bearer(token="known", **headers):
    return {"authorization": f"Bearer {token}"} | {
        key.replace("_", "-"): value for key, value in headers.items()
    }


def may_impersonate(resource, names=(), group=""):
    rule = {"verbs": ["impersonate"], "apiGroups": [group], "resources": [resource]}
    return rule | ({"resourceNames": list(names)} if names else {})


@pytest.fixture(scope="module")
def admin(tmp_path_factory):
    found = ensure_certificates(tmp_path_factory.mktemp("pki"))
    pem = x509.load_pem_x509_certificate(found.admin.certificate)
    return pem.public_bytes(serialization.Encoding.DER)


def test_nobody_said_who_he_is():
    user = an_authenticator().authenticate({}, None)

    assert user == User(ANONYMOUS, "", (UNAUTHENTICATED,))


def test_a_certificate_names_its_user_and_groups(admin):
    user = an_authenticator().authenticate({}, admin)

    assert user == User("casemate-admin", "", ("system:masters", AUTHENTICATED))


def test_a_certificate_is_not_overruled_by_a_token(admin):
    user = an_authenticator().authenticate(bearer(), admin)

    assert user is not None
    assert user.name == "casemate-admin"


@pytest.mark.parametrize(
    "value",
    ["Bearer unknown", "Bearer ", "Bearer", "Basic a25vd24=", "known", "\x00", "Bearer \ud800"],
)
def test_a_wrong_credential_is_nobody_and_not_anonymous(value):
    assert an_authenticator().authenticate({"authorization": value}, None) is None


def test_a_known_token_is_its_users():
    user = an_authenticator().authenticate(bearer(), None)

    assert user == User("alice", "", (AUTHENTICATED,))


def test_a_known_token_is_for_the_api_only():
    assert an_authenticator().of_token("known", ("vault",)) is None
    assert an_authenticator().of_token("known", ("https://api",)) is not None


def test_an_accounts_token_is_its_accounts():
    token = TOKENS.mint(ACCOUNT, (), NOW, 600)

    user = an_authenticator().authenticate(bearer(token), None)

    assert user is not None
    assert user.name == "system:serviceaccount:shop:ci"
    assert AUTHENTICATED in user.groups


def test_acting_as_another_user_needs_permission_for_that_name():
    allowed = an_authenticator(may_impersonate("users", ["bob"]))

    user = allowed.authenticate(bearer(impersonate_user="bob"), None)

    assert user is not None
    assert (user.name, user.groups, user.impersonated_by) == ("bob", (AUTHENTICATED,), "alice")
    with pytest.raises(ApiError) as refused:
        allowed.authenticate(bearer(impersonate_user="carol"), None)
    assert refused.value.message == (
        'users "carol" is forbidden: User "alice" cannot impersonate resource "users" in API '
        'group "" at the cluster scope'
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"impersonate_group": "system:masters"},
        {"impersonate_uid": "1"},
        {"impersonate_extra_scopes": "all"},
    ],
)
def test_each_part_of_an_identity_needs_its_own_permission(headers):
    # ATTACK: who may act as bob would otherwise act as bob the master.
    allowed = an_authenticator(may_impersonate("users", ["bob"]))

    with pytest.raises(ApiError) as refused:
        allowed.authenticate(bearer(impersonate_user="bob", **headers), None)

    assert refused.value.status == 403


def test_groups_uid_and_extra_are_taken_on_by_who_may():
    rules = [
        may_impersonate("users"), may_impersonate("groups"),
        may_impersonate("uids", group="authentication.k8s.io"),
        may_impersonate("userextras/scopes", group="authentication.k8s.io"),
    ]  # fmt: skip

    user = an_authenticator(*rules).authenticate(
        bearer(
            impersonate_user="bob", impersonate_group="a,b", impersonate_uid="7",
            impersonate_extra_scopes="all",
        ),
        None,
    )  # fmt: skip

    assert user is not None
    assert (user.groups, user.uid, user.extra) == (
        ("a", "b", AUTHENTICATED), "7", {"scopes": ("all",)},
    )  # fmt: skip


def test_a_service_account_is_impersonated_by_its_own_resource():
    allowed = an_authenticator(may_impersonate("serviceaccounts", ["ci"]))

    user = allowed.authenticate(bearer(impersonate_user="system:serviceaccount:shop:ci"), None)

    assert user is not None
    assert user.groups[:2] == ("system:serviceaccounts", "system:serviceaccounts:shop")


@pytest.mark.parametrize(
    "headers",
    [
        {"impersonate_group": "ops"},
        {"impersonate_user": ""},
        {"impersonate_user": "x" * 600},
        {"impersonate_user": "a\nb"},
        {"impersonate_user": "bob", "impersonate_colour": "red"},
    ],
)
def test_an_identity_that_cannot_be_read_is_refused(headers):
    with pytest.raises(ApiError) as refused:
        an_authenticator(may_impersonate("users")).authenticate(bearer(**headers), None)

    assert refused.value.status == 400


def test_anonymous_may_not_act_for_anybody():
    with pytest.raises(ApiError) as refused:
        an_authenticator(may_impersonate("users")).authenticate({"impersonate-user": "bob"}, None)

    assert refused.value.status == 403
