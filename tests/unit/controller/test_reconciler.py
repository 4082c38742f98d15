"""The reconcile contract, on an engine that is only a note of what it was asked."""

from __future__ import annotations

import asyncio
import json

from casemate.api.function import FunctionRevision
from casemate.api.manifest import parse_manifests
from casemate.controller.observation import Fault, Observed
from casemate.controller.reconciler import MadeRevision, Reconciler
from casemate.controller.status import conditions
from casemate.controller.stored_function import StoredFunction
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
    """Reader, maker, runner and history in one: the whole world of a reconciler."""

    def __init__(self, *names: str) -> None:
        self.wanted = {function.ref: function for function in map(a_function, names)}
        self.failures: dict[str, list[Exception]] = {}
        self.ran: list[str] = []
        self.removed: list[str] = []
        self.recorded: list[str] = []
        self.trusted: list[str] = []
        self.good = {}
        self.unreadable = {}

    def read(self, ref):
        if ref in self.unreadable:
            return self.unreadable[ref]
        found = self.wanted.get(ref)
        return StoredFunction.of(found) if found else None

    async def record(self, function, made):
        self.recorded.append(made.revision.name)

    def last_good(self, stored, newest=""):
        return self.good.get(stored.ref)

    async def trust(self, function, made):
        self.trusted.append(made.revision.name)

    async def make(self, function, progress):
        progress("making")
        pending = self.failures.get(function.ref.name, [])
        if pending:
            raise pending.pop(0)
        number = function.metadata.labels["n"] if function.metadata.labels else "1"
        revision = FunctionRevision(name=f"{function.ref.name}-{number}", source_digest="sha256:0")
        return MadeRevision(revision, None)

    async def run(self, function, made):
        self.ran.append(made.revision.name)

    async def remove(self, ref):
        self.removed.append(ref.name)

    def observe(self, ref):
        mine = [name for name in self.ran if name.startswith(f"{ref.name}-")]
        return Observed(revision=mine[-1], ready=1, phase="Ready") if mine else Observed()


def reconciled(world: NotedEngine, seconds: float = 0.1) -> Reconciler:
    async def scenario():
        reconciler = Reconciler(world, world, world, world)
        for ref in (*world.wanted, *world.unreadable):
            reconciler.queue.add(ref)
        working = asyncio.create_task(reconciler.run())
        await asyncio.sleep(seconds)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        reconciler.queue.close()
        return reconciler

    return asyncio.run(scenario())


def condition(reconciler, world, kind):
    ref = next(iter([*world.wanted, *world.unreadable]))
    found = conditions(
        "python313", reconciler.configured(ref), world.observe(ref), previous=(),
        now="2026-01-01T00:00:00Z",
    )  # fmt: skip
    return next(one for one in found if one.type == kind)


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
        reconciler = Reconciler(world, world, world, world)
        world.wanted.clear()
        reconciler.queue.add(ref)
        working = asyncio.create_task(reconciler.run())
        await asyncio.sleep(0.05)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

    asyncio.run(scenario())

    assert world.removed == ["hello"]


def test_an_accepted_revision_is_recorded():
    world = NotedEngine("hello")

    reconciled(world)

    assert world.recorded == ["hello-1"]


def test_an_object_that_cannot_be_read_is_a_condition_and_the_others_go_on():
    world = NotedEngine("good")
    bad = a_function("bad").ref
    fault = Fault("InvalidFunctionSpec", "spec.runtime: runtime does not exist")
    world.unreadable[bad] = StoredFunction(bad, "u", 7, "python27", fault=fault)

    reconciler = reconciled(world)

    configured = reconciler.configured(bad)
    assert (configured.generation, configured.fault) == (7, fault)
    assert world.ran == ["good-1"]


def test_the_last_good_revision_serves_when_the_newest_cannot_be_made():
    world = NotedEngine("hello")
    ref = next(iter(world.wanted))
    good = world.wanted[ref]
    metadata = good.metadata.model_copy(update={"labels": {"n": "0"}})
    world.good[ref] = good.model_copy(update={"metadata": metadata})
    world.failures["hello"] = [NotFound("no such package")]

    reconciler = reconciled(world)

    assert world.ran == ["hello-0"]
    assert condition(reconciler, world, "ConfigurationReady").reason == "NotFound"
    assert condition(reconciler, world, "Running").status == "True"


def test_a_good_revision_that_runs_is_not_touched_when_the_newest_cannot_be_made():
    world = NotedEngine("hello")
    world.ran.append("hello-0")
    world.good = dict(world.wanted)
    world.failures["hello"] = [NotFound("no such package")]

    reconciled(world)

    assert world.ran == ["hello-0"]


def test_after_a_restart_what_has_served_is_held_before_the_newest_is_tried():
    world = NotedEngine("hello")
    ref = next(iter(world.wanted))
    metadata = world.wanted[ref].metadata.model_copy(update={"labels": {"n": "0"}})
    world.good[ref] = world.wanted[ref].model_copy(update={"metadata": metadata})

    reconciled(world)

    assert (world.trusted, world.ran) == (["hello-0"], ["hello-1"])
