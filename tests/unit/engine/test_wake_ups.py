"""Which change of which object makes which Function looked at again."""

from __future__ import annotations

import asyncio

import pytest

from casemate.apiserver.store.database import Store
from casemate.controller.queue import KeyQueue
from casemate.engine.objects import Objects
from casemate.engine.wake_ups import WakeUps
from support.stored import a_function, key_of, put

CODE = "def main(event, context): return 1"
PLAIN = a_function("plain", "python313", CODE)
READS = a_function(
    "reads", "python313", CODE,
    env=[{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "p"}}},
         {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "modes", "key": "m"}}}],
)  # fmt: skip
MOUNTS = a_function(
    "mounts", "python313", CODE, secretMounts=[{"secretName": "certs", "mountPath": "/certs"}]
)
ALL = {"plain", "reads", "mounts"}


def an_object(kind, name, **fields):
    version = "casemate.dev/v1alpha1" if kind == "FunctionPolicy" else "v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields}


def woken_by(change, resync_seconds=600.0):
    """Return (names that were queued, names whose status was compared) after `change`."""

    async def scenario():
        store = await Store.open(None)
        for tree in (PLAIN, READS, MOUNTS):
            await put(store, tree)
        queue, compared = KeyQueue(), set()
        wake_ups = WakeUps(
            store, Objects(store), queue, lambda ref: compared.add(ref.name),
            resync_seconds=resync_seconds,
        )  # fmt: skip
        working = asyncio.create_task(wake_ups.run())
        started = await drained(queue)
        await change(store)
        queued = await drained(queue)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        queue.close()
        await store.close()
        return started, queued, compared

    started, queued, compared = asyncio.run(scenario())
    assert started == ALL
    return queued, compared


async def drained(queue, seconds=0.3):
    found = set()
    try:
        async with asyncio.timeout(seconds):
            while True:
                key = await queue.get()
                found.add(key.name)
                queue.done(key)
    except TimeoutError:
        return found


@pytest.mark.parametrize(
    ("change", "woken"),
    [
        (a_function("plain", "python313", "x = 2"), {"plain"}),
        (an_object("Secret", "db", data={}), {"reads"}),
        (an_object("Secret", "certs", data={}), {"mounts"}),
        (an_object("Secret", "nobody-reads", data={}), set()),
        (an_object("Secret", "serverless-package-registry-config", data={}), ALL),
        (an_object("ConfigMap", "modes", data={}), {"reads"}),
        (an_object("Namespace", "default"), ALL),
        (an_object("FunctionPolicy", "strict", spec={}), ALL),
    ],
    ids=["function", "env secret", "mounted secret", "other secret", "registry", "configmap",
         "namespace", "policy"],
)  # fmt: skip
def test_a_change_wakes_those_whom_it_concerns(change, woken):
    queued, _ = woken_by(lambda store: put(store, change))

    assert queued == woken


def test_a_secret_of_another_namespace_wakes_nobody():
    other = an_object("Secret", "db", data={})
    other["metadata"]["namespace"] = "elsewhere"

    assert woken_by(lambda store: put(store, other))[0] == set()


def test_a_written_status_is_compared_and_makes_no_new_revision():
    async def write_status(store):
        before = store.get(key_of(PLAIN))
        tree = before.tree() | {"status": {"readyReplicas": 99}}
        await store.replace(before.key, tree, expected=before.resource_version)

    assert woken_by(write_status) == (set(), {"plain"})


def test_everything_is_looked_at_again_from_time_to_time():
    async def nothing(_store):
        return

    assert woken_by(nothing, resync_seconds=0.1)[0] == ALL
