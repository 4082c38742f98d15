"""The catalogue of runtimes is complete and consistent."""

from __future__ import annotations

from typing import get_args

import pytest

from casemate.api.catalogue import RETIRED, RUNTIMES, HandlerContract, Language, RuntimeName
from support.functions import a_function


def test_every_name_has_a_row_and_every_retired_one_a_successor():
    assert set(RUNTIMES) == set(get_args(RuntimeName))
    assert set(RETIRED.values()) <= set(RUNTIMES)
    assert not set(RETIRED) & set(RUNTIMES)


@pytest.mark.parametrize("name", sorted(RUNTIMES))
def test_a_name_says_its_language_and_version(name):
    runtime = a_function(runtime=name).runtime

    assert name == f"{runtime.language}{runtime.version.replace('.', '')}"
    if runtime.language is Language.PYTHON:
        files = ("python3", ("handler.py",), "requirements.txt")
    else:
        files = ("node", ("handler.js",), "package.json")
    assert (runtime.interpreter, runtime.handler_files, runtime.dependency_file) == files


def test_the_newest_runtime_of_each_language_hands_over_the_request():
    by_request = {r.name for r in RUNTIMES.values() if r.contract is HandlerContract.REQUEST}

    assert by_request == {"python314", "nodejs26"}
