"""Project Wycheproof's JOSE vectors: every invalid one refused, every valid ES256 one accepted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from casemate.identity.keys import InvalidKeySet, KeySet
from casemate.identity.principals import Denial
from casemate.identity.signatures import SignedPayload, open_compact

DATA = Path(__file__).parent / "data"
FILES = ("json_web_signature_test", "json_web_key_test", "json_web_crypto_test")


def vectors() -> list[Any]:
    return [
        pytest.param(group, vector, id=f"{name}-{vector['tcId']}-{vector['comment'][:40]}")
        for name in FILES
        for group in json.loads((DATA / f"{name}.json").read_text())["testGroups"]
        for vector in group["tests"]
        if "jws" in vector
    ]


def public_set_of(group: dict[str, Any]) -> Any:
    """A group gives a key or a set; where it gives only private ones, those are what is offered."""
    given = group.get("public") or group["private"]
    return given if "keys" in given else {"keys": [given]}


def is_valid_es256(group: dict[str, Any], vector: dict[str, Any]) -> bool:
    given = group.get("public") or {}
    return vector["result"] == "valid" and given.get("alg") == "ES256"


def opened(group: dict[str, Any], vector: dict[str, Any]) -> SignedPayload | Denial | InvalidKeySet:
    text = vector["jws"] if isinstance(vector["jws"], str) else json.dumps(vector["jws"])
    try:
        return open_compact(text, KeySet.parse(public_set_of(group)))
    except InvalidKeySet as refused:
        return refused


@pytest.mark.parametrize(("group", "vector"), vectors())
def test_vector_is_opened_only_if_it_is_valid_es256(
    group: dict[str, Any], vector: dict[str, Any]
) -> None:
    outcome = opened(group, vector)

    assert isinstance(outcome, SignedPayload) is is_valid_es256(group, vector)


def test_the_files_hold_what_they_held_when_they_were_copied() -> None:
    everything = [param.values for param in vectors()]

    assert len(everything) == 476
    assert sum(is_valid_es256(*pair) for pair in everything) == 3
