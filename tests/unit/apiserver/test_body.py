"""What is taken for an object, and what is refused before anybody looks at it."""

from __future__ import annotations

import pytest

from casemate.apiserver.body import DEEPEST, LARGEST_BODY_BYTES, read_tree, read_value
from casemate.apiserver.status_error import ApiError


def test_json_and_yaml_give_the_same_tree() -> None:
    expected = {"kind": "ConfigMap", "data": {"a": "1"}}

    assert read_tree(b'{"kind":"ConfigMap","data":{"a":"1"}}', "application/json") == expected
    assert read_tree(b"kind: ConfigMap\ndata: {a: '1'}\n", "application/yaml") == expected


def test_parameters_and_case_of_the_type_do_not_matter() -> None:
    assert read_tree(b"{}", "Application/JSON; charset=utf-8") == {}


@pytest.mark.parametrize(
    ("body", "content_type", "status", "message"),
    [
        (b'{"a":1,"a":2}', "application/json", 400, "a key of the body is given twice"),
        (b'{"a":NaN}', "application/json", 400, "NaN and Infinity are no JSON"),
        (b'{"a":"topsecret', "application/json", 400, "unreadable JSON at byte 5"),
        (b"[]", "application/json", 400, "the body of the request is no object"),
        (b"\xff\xfe", "application/json", 400, "unreadable JSON"),
        (b"a: 1\n---\nb: 2\n", "application/yaml", 400, "the body holds 2 documents instead of one"),
        (b"x" * (LARGEST_BODY_BYTES + 1), "application/json", 413, "Request entity too large"),
        (b"{}", "application/vnd.kubernetes.protobuf", 400, "unreadable protobuf"),
        (b"{}", "application/cbor", 415, "unknown format"),
        (b"[" * 100_000, "application/json", 400, "unreadable JSON"),
        (
            b'{"a":' + b"[" * DEEPEST + b"]" * DEEPEST + b"}",
            "application/json",
            400,
            f"the body is nested deeper than {DEEPEST} levels",
        ),
    ],
)  # fmt: skip
def test_a_doubtful_body_is_refused_without_quoting_it(body, content_type, status, message) -> None:
    with pytest.raises(ApiError) as caught:
        read_tree(body, content_type)

    assert caught.value.status == status
    assert message in caught.value.message
    assert "topsecret" not in caught.value.message


def test_a_json_patch_may_be_a_list() -> None:
    assert read_value(b"[1]", "application/json-patch+json") == [1]
