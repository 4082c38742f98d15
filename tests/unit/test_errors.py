"""The error tree as a whole: every class has a code, a retry and an exit number of its own kind."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter

import casemate
from casemate.errors import CasemateError, Retry

ROOTS = {"CasemateError", "InvalidInput", "NotFound", "Unavailable", "Unsupported", "Internal"}


def every_error() -> list[type[CasemateError]]:
    for module in pkgutil.walk_packages(casemate.__path__, "casemate."):
        if ".runtimes" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found, waiting = [], [CasemateError]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += kind.__subclasses__()
    return [kind for kind in dict.fromkeys(found) if kind.__module__.startswith("casemate")]


def test_no_two_classes_share_a_code():
    codes = Counter(kind.code for kind in every_error() if kind.__name__ not in ROOTS)

    assert {code for code, count in codes.items() if count > 1} == set()


def test_every_class_says_when_trying_again_helps_and_how_a_command_ends():
    for kind in every_error():
        assert isinstance(kind.retry, Retry), kind
        assert 1 <= kind.exit_code <= 125, kind


def test_messages_carry_the_hint_on_a_line_of_its_own():
    assert str(CasemateError("no such thing", hint="make one")) == "no such thing\nhint: make one"
