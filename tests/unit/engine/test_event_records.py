"""Events are counted, bounded and forgotten, on a real API in memory."""

from __future__ import annotations

import asyncio

import pytest

from casemate.api.meta import FunctionRef
from casemate.controller.stored_function import StoredFunction
from casemate.engine import event_records
from casemate.engine.api_service import ApiOptions, ApiService
from casemate.engine.event_records import EventRecords

FUNCTION = StoredFunction(FunctionRef("default", "hello"), "uid-1", 1, "python313")


def events_after(tmp_path, tell):
    async def scenario():
        async with ApiService(ApiOptions(None, tmp_path)) as api:
            await tell(EventRecords(api))
            return api.list("Event", "default")

    return asyncio.run(scenario())


def test_the_same_words_are_counted_and_not_repeated(tmp_path):
    async def tell(records):
        for _ in range(3):
            await records.record(FUNCTION, "Warning", "LoadFailed", "no module")
        await records.record(FUNCTION, "Normal", "DeploymentReady", "serves")

    found = {one["reason"]: one for one in events_after(tmp_path, tell)}

    assert found["LoadFailed"]["count"] == 3
    assert found["DeploymentReady"]["count"] == 1
    assert found["LoadFailed"]["involvedObject"]["name"] == "hello"
    assert found["LoadFailed"]["source"]["component"] == "casemate-controller"


def test_a_function_that_fails_in_ever_new_words_does_not_fill_the_store(tmp_path, monkeypatch):
    monkeypatch.setattr(event_records, "MOST_PER_NAMESPACE", 20)

    async def tell(records):
        for number in range(60):
            await records.record(FUNCTION, "Warning", "Error", f"failure {number}")

    found = events_after(tmp_path, tell)

    assert len(found) <= 20
    assert any(one["message"] == "failure 59" for one in found)


def test_an_old_event_is_deleted_and_a_new_one_stays(tmp_path, monkeypatch):
    async def tell(records):
        await records.record(FUNCTION, "Normal", "Fresh", "now")
        await records.sweep()
        assert len(records._api.list("Event", "default")) == 1
        monkeypatch.setattr(event_records, "KEPT_SECONDS", -10)
        await records.sweep()

    assert events_after(tmp_path, tell) == []


@pytest.mark.parametrize("namespace", ["gone"])
def test_an_event_that_cannot_be_written_is_nobodys_failure(tmp_path, namespace):
    async def tell(records):
        lost = StoredFunction(FunctionRef(namespace, "hello"), "u", 1, "python313")
        await records.record(lost, "Normal", "Lost", "nowhere")

    assert events_after(tmp_path, tell) == []
