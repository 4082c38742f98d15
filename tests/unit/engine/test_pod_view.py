"""Pods as a view of what is observed."""

from __future__ import annotations

import asyncio
import json
import uuid

import pytest

from casemate.api.conditions import ExitReason
from casemate.api.meta import FunctionRef
from casemate.apiserver.resource import GroupResource
from casemate.apiserver.store.database import Store
from casemate.controller.observation import Observed
from casemate.controller.stored_function import StoredFunction
from casemate.engine.pod_view import Instance, PodView
from casemate.node.exit_status import Termination

REF = FunctionRef("default", "hello")
STORED = StoredFunction(REF, str(uuid.uuid4()), 1, "python313")
TEMPLATE = {
    "metadata": {"labels": {"app": "hello"}},
    "spec": {
        "containers": [
            {"name": "function", "image": "i", "env": [{"name": "PASSWORD", "value": "hunter2"}]}
        ]
    },
}
LAST = Termination(
    ExitReason.OOM_KILLED, 137, 9, "too much", "2026-01-01T00:00:00.1Z", "2026-01-01T00:00:09.1Z"
)


def an_instance(phase, revision="hello-1", last=None, **seen):
    observed = Observed(revision=revision, ready=int(phase == "Ready"), phase=phase, **seen)
    return Instance(STORED, observed, TEMPLATE, last)


def shown(*instances):
    """Return the Pods after each of the looks."""

    async def scenario():
        store = await Store.open(None)
        view, looks = PodView(store), []
        for instance in instances:
            await view.show(REF, instance)
            items = store.list(GroupResource("", "pods")).items
            looks.append([found.tree() for found in items])
        await store.close()
        return looks

    return asyncio.run(scenario())


def test_values_of_variables_are_not_shown():
    [[pod]] = shown(an_instance("Ready"))

    assert pod["spec"]["containers"][0]["env"] == [{"name": "PASSWORD"}]
    assert "hunter2" not in json.dumps(pod)


def test_the_template_itself_is_not_changed():
    shown(an_instance("Ready"))

    assert TEMPLATE["spec"]["containers"][0]["env"][0]["value"] == "hunter2"


@pytest.mark.parametrize(
    ("phase", "pod_phase", "state"),
    [
        ("Starting", "Pending", {"waiting": {"reason": "ContainerCreating"}}),
        ("CrashLoopBackOff", "Running",
         {"waiting": {"reason": "CrashLoopBackOff", "message": "why"}}),
        ("Failed", "Failed", {"waiting": {"reason": "LoadFailed", "message": "why"}}),
    ],
)  # fmt: skip
def test_a_phase_is_told_in_the_words_of_pods(phase, pod_phase, state):
    [[pod]] = shown(an_instance(phase, reason="LoadFailed", message="why"))

    container = pod["status"]["containerStatuses"][0]
    assert (pod["status"]["phase"], container["state"]) == (pod_phase, state)
    assert container["ready"] is False


def test_a_function_at_rest_and_one_that_is_gone_have_no_pod():
    looks = shown(an_instance("Ready"), an_instance("ScaledToZero"), an_instance("Ready"), None)

    assert [len(pods) for pods in looks] == [1, 0, 1, 0]


def test_a_new_revision_is_another_pod():
    _, [pod] = shown(an_instance("Ready"), an_instance("Ready", "hello-2"))

    assert pod["metadata"]["name"] == "hello-2"


def test_the_end_of_the_last_instance_is_told_with_its_reason():
    [[pod]] = shown(an_instance("Ready", last=LAST, restarts=2))

    container = pod["status"]["containerStatuses"][0]
    assert container["restartCount"] == 2
    assert container["lastState"]["terminated"] == {
        "reason": "OOMKilled", "exitCode": 137, "signal": 9, "message": "too much",
        "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:09Z",
    }  # fmt: skip


def test_a_look_that_finds_nothing_new_writes_nothing():
    [[before], [after]] = shown(an_instance("Ready"), an_instance("Ready"))

    assert before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]
