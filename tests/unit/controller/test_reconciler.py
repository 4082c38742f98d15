"""The reconcile contract, on an engine that is only a note of what it was asked."""

from __future__ import annotations

import asyncio
import json

from casemate.api.function import FunctionRevision
from casemate.api.manifest import parse_manifests
from casemate.controller.observation import Observed
from casemate.controller.reconciler import MadeRevision, Reconciler
from casemate.errors import NotFound, Unavailable


def a_function(name: str):
    manifest = {
        "apiVersion": "serverless.kyma-project.io/v1alpha2",
        "kind": "Function",
        "metadata": {"name": name, "generation": 3},
        "spec": {"runtime": "python313", "source": {"inline": {"source": "x = 1"}}},
    }
    return parse_manifests(json.dumps(manifest).encode(), "t").functions[0]


class NotedEngine:
    """Reader, maker and runner in one: the whole world of a reconciler."""

    def __init__(self, *names: str) -> None:
        self.wanted = {function.ref: function for function in map(a_function, names)}
        self.failures: dict[str, list[Exception]] = {}
        self.ran: list[str] = []
        self.removed: list[str] = []

    def function(self, ref):
        return self.wanted.get(ref)

    async def make(self, function, progress):
        progress("making")
        pending = self.failures.get(function.ref.name, [])
        if pending:
            raise pending.pop(0)
        revision = FunctionRevision(name=f"{function.ref.name}-1", source_digest="sha256:0")
        return MadeRevision(revision, None)

    async def run(self, function, made):
        self.ran.append(made.revision.name)

    async def remove(self, ref):
        self.removed.append(ref.name)

    def observe(self, ref):
        ready = f"{ref.name}-1" in self.ran
        return Observed(revision=f"{ref.name}-1", ready=1, phase="Ready") if ready else Observed()


def reconciled(world: NotedEngine, seconds: float = 0.1) -> Reconciler:
    async def scenario():
        reconciler = Reconciler(world, world, world)
        for ref in world.wanted:
            reconciler.queue.add(ref)
        working = asyncio.create_task(reconciler.run())
        await asyncio.sleep(seconds)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        reconciler.queue.close()
        return reconciler

    return asyncio.run(scenario())


def condition(reconciler, world, kind):
    ref = next(iter(world.wanted))
    return next(one for one in reconciler.conditions(ref) if one.type == kind)


def test_a_wanted_function_is_made_and_run():
    world = NotedEngine("hello")

    reconciler = reconciled(world)

    assert world.ran == ["hello-1"]
    found = condition(reconciler, world, "ConfigurationReady")
    assert (found.status, found.observed_generation) == ("True", 3)


def test_a_cause_that_passes_is_tried_again_until_it_has():
    world = NotedEngine("hello")
    world.failures["hello"] = [Unavailable("registry is away")]

    reconciler = reconciled(world, seconds=0.6)

    assert world.ran == ["hello-1"]
    assert condition(reconciler, world, "ConfigurationReady").status == "True"


def test_a_cause_that_only_a_change_mends_is_not_tried_again():
    world = NotedEngine("hello")
    world.failures["hello"] = [NotFound("no such package")]

    reconciler = reconciled(world, seconds=0.6)

    assert world.ran == []
    found = condition(reconciler, world, "ConfigurationReady")
    assert (found.status, found.reason, found.message) == ("False", "NotFound", "no such package")


def test_a_defect_in_one_functions_path_does_not_stop_the_others():
    world = NotedEngine("bad", "good")
    world.failures["bad"] = [RuntimeError("a defect")] * 9

    reconciled(world)

    assert "good-1" in world.ran


def test_a_function_that_is_gone_is_removed():
    world = NotedEngine("hello")
    ref = next(iter(world.wanted))

    async def scenario():
        reconciler = Reconciler(world, world, world)
        world.wanted.clear()
        reconciler.queue.add(ref)
        working = asyncio.create_task(reconciler.run())
        await asyncio.sleep(0.05)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

    asyncio.run(scenario())

    assert world.removed == ["hello"]
