"""Kubernetes' protobuf becomes the tree that the same object in JSON is."""

from __future__ import annotations

import pytest

from casemate.apiserver.protobuf import read_protobuf
from casemate.apiserver.status_error import ApiError


def number(value):
    value &= (1 << 64) - 1
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def part(field, value):
    """One field: a number, or bytes with their length."""
    if isinstance(value, int):
        return number(field << 3) + number(value)
    raw = value.encode() if isinstance(value, str) else value
    return number(field << 3 | 2) + number(len(raw)) + raw


def an_object(version, kind, *parts, encoding=b""):
    meta = part(1, version) + part(2, kind)
    return b"k8s\x00" + part(1, meta) + part(2, b"".join(parts)) + encoding


def an_entry(key, value):
    return part(1, key) + part(2, value)


def test_a_secret_is_read_with_its_maps_and_metadata():
    # As Go writes them: the empty texts and the empty time too.
    metadata = b"".join((
        part(1, "db"), part(2, ""), part(3, "shop"), part(7, 0), part(8, b""),
        part(11, an_entry("app", "shop")), part(11, an_entry("tier", "data")),
    ))  # fmt: skip

    tree = read_protobuf(
        an_object("v1", "Secret", part(1, metadata), part(2, an_entry("password", b"\x00\xff")),
                  part(3, "Opaque"), part(5, 0))
    )  # fmt: skip

    assert tree == {
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {
            "name": "db", "namespace": "shop", "generation": 0,
            "labels": {"app": "shop", "tier": "data"},
        },
        "data": {"password": "AP8="}, "type": "Opaque", "immutable": False,
    }  # fmt: skip


def test_the_empty_text_in_a_list_stands_for_the_core_group():
    rule = part(1, "get") + part(2, "") + part(3, "pods")

    tree = read_protobuf(an_object("rbac.authorization.k8s.io/v1", "Role", part(2, rule)))

    assert tree["rules"] == [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]


def test_times_numbers_and_delete_options_are_read():
    owner = part(1, "Function") + part(6, 1)
    time = part(1, 1_800_000_000) + part(2, 5_000)
    lease = part(1, part(9, part(1, 1_800_000_000)) + part(13, owner)) + part(
        2, part(2, 15) + part(3, time) + part(5, -1)
    )

    tree = read_protobuf(an_object("coordination.k8s.io/v1", "Lease", lease))

    assert tree["metadata"]["deletionTimestamp"] == "2027-01-15T08:00:00Z"
    assert tree["metadata"]["ownerReferences"] == [{"kind": "Function", "controller": True}]
    assert tree["spec"] == {
        "leaseDurationSeconds": 15, "acquireTime": "2027-01-15T08:00:00.000005Z",
        "leaseTransitions": -1,
    }  # fmt: skip
    assert read_protobuf(an_object("v1", "DeleteOptions", part(4, "Orphan"), part(5, "All"))) == {
        "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Orphan",
        "dryRun": ["All"],
    }  # fmt: skip


def test_extra_and_managed_fields_have_their_json_shape():
    review = part(5, part(1, "scopes") + part(2, part(1, "a") + part(1, "b")))
    managed = part(17, part(1, "kubectl") + part(7, part(1, b'{"f:data":{}}')))

    asked = read_protobuf(
        an_object("authorization.k8s.io/v1", "SubjectAccessReview", part(2, review))
    )
    owned = read_protobuf(an_object("v1", "ConfigMap", part(1, managed)))

    assert asked["spec"] == {"extra": {"scopes": ["a", "b"]}}
    assert owned["metadata"]["managedFields"] == [
        {"manager": "kubectl", "fieldsV1": {"f:data": {}}}
    ]


def test_fields_of_a_newer_version_are_dropped():
    unknown = part(90, "x") + number(91 << 3 | 1) + b"12345678" + number(92 << 3 | 5) + b"1234"

    tree = read_protobuf(an_object("v1", "ConfigMap", unknown, part(2, an_entry("a", "b"))))

    assert tree == {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"k8s\x00",
        an_object("v1", "Node"),
        an_object("apps/v1", "Deployment"),
        an_object("v1", "../Secret"),
        an_object("v1", "ConfigMap", encoding=part(3, "gzip")),
        an_object("v1", "ConfigMap", part(1, 5)),
        an_object("v1", "ConfigMap", part(4, b"yes")),
        an_object("v1", "ConfigMap", part(2, an_entry("a", "b"))[:-1]),
        an_object("v1", "ConfigMap", part(2, an_entry(b"\xff", "b"))),
        an_object("v1", "ConfigMap", b"\xff" * 12),
        an_object("v1", "ConfigMap", number(1 << 3 | 3)),
        an_object("v1", "Event", part(6, part(1, (1 << 62)))),
        an_object("v1", "ConfigMap", part(1, part(17, part(7, part(1, b"{no"))))),
    ],
)
def test_bytes_that_are_no_object_of_ours_are_refused_without_a_word_of_them(body):
    with pytest.raises(ApiError) as refused:
        read_protobuf(body)

    assert refused.value.status == 400
    assert refused.value.message == "unreadable protobuf, or a kind that is not read in it"
