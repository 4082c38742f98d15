"""Files -> objects of a real API in memory."""

from __future__ import annotations

import asyncio
import json

import pytest

from casemate.api.manifest import parse_manifests
from casemate.engine.api_service import ApiOptions, ApiService
from casemate.engine.applied_manifests import AppliedManifests, ManifestsRefused
from casemate.engine.manifest_files import LoadedManifests
from support.stored import a_function

ONE = a_function("one", "python313", "x = 1")
TWO = a_function("two", "python313", "x = 2")
ELSEWHERE = {**TWO, "metadata": {"name": "two", "namespace": "shop"}}
RELAXED = a_function("bad", "python313", "x = 1", containerSecurityContext={"privileged": True})


def loaded(*trees):
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(trees)}).encode()
    return LoadedManifests(parse_manifests(text, "t").objects_or_raise(), ())


def on_an_api(tmp_path, scenario):
    async def run():
        async with ApiService(ApiOptions(None, tmp_path)) as api:
            return await scenario(api, AppliedManifests(api))

    return asyncio.run(run())


def versions(api):
    return {
        one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in api.list("Function")
    }


def test_what_a_file_says_is_in_the_api_and_its_namespace_is_made(tmp_path):
    async def scenario(api, applied):
        await applied.apply(loaded(ONE, ELSEWHERE))
        return api.get("Function", "shop", "two"), api.get("Namespace", "", "shop")

    function, namespace = on_an_api(tmp_path, scenario)

    assert function["metadata"]["generation"] == 1
    assert function["metadata"]["managedFields"][0]["manager"] == "casemate-run"
    assert namespace is not None


def test_a_save_writes_what_it_changes_and_nothing_else(tmp_path):
    async def scenario(api, applied):
        await applied.apply(loaded(ONE, TWO))
        before = versions(api)
        await applied.apply(loaded(ONE, a_function("two", "python313", "x = 3")))
        return before, versions(api)

    before, after = on_an_api(tmp_path, scenario)

    assert before["one"] == after["one"]
    assert before["two"] != after["two"]


def test_what_stands_in_no_file_any_more_is_deleted_and_what_others_made_stays(tmp_path):
    async def scenario(api, applied):
        await api.create(a_function("foreign", "python313", "x = 1"))
        await applied.apply(loaded(ONE, TWO))
        await applied.apply(loaded(ONE))
        return set(versions(api))

    assert on_an_api(tmp_path, scenario) == {"one", "foreign"}


def test_what_somebody_deleted_is_applied_again(tmp_path):
    async def scenario(api, applied):
        await applied.apply(loaded(ONE))
        await api.delete("Function", "default", "one")
        await applied.apply(loaded(ONE))
        return set(versions(api))

    assert on_an_api(tmp_path, scenario) == {"one"}


def test_a_refused_object_is_told_and_the_others_run(tmp_path):
    async def scenario(api, applied):
        with pytest.raises(ManifestsRefused, match="privileged"):
            await applied.apply(loaded(RELAXED, ONE))
        return set(versions(api))

    assert on_an_api(tmp_path, scenario) == {"one"}
