"""Secrets and their neighbours."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from casemate.api.core_objects import ConfigMap, Secret

HEAD = {"apiVersion": "v1", "metadata": {"name": "s"}}


def test_a_secrets_values_are_decoded_and_string_data_wins():
    tree = HEAD | {"kind": "Secret", "data": {"a": "eA==", "b": "eQ=="}, "stringData": {"b": "z"}}

    assert Secret.model_validate(tree).values() == {"a": b"x", "b": b"z"}
    assert Secret.model_validate(HEAD | {"kind": "Secret"}).values() == {}


@pytest.mark.parametrize("field", ["stringData", "data"])
def test_data_is_bounded(field):
    with pytest.raises(ValidationError, match="data is too large"):
        Secret.model_validate(HEAD | {"kind": "Secret", field: {"a": "aaaa" * 300_000}})
    with pytest.raises(ValidationError, match="data is too large"):
        ConfigMap.model_validate(HEAD | {"kind": "ConfigMap", "data": {"a": "aaaa" * 300_000}})


def test_a_key_cannot_leave_its_directory():
    with pytest.raises(ValidationError):
        Secret.model_validate(HEAD | {"kind": "Secret", "stringData": {"../a": "b"}})
