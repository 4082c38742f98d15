"""Running instances as Pods, for those who look: a view that the API serves and nobody can write.

One Pod per Function that has a sandbox, named like its revision. What it shows is what a reader of
Pods may see: the rendered template without the values of its variables.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from casemate import clock
from casemate.api.meta import FunctionRef
from casemate.apiserver.call import Call
from casemate.apiserver.reply import Reply
from casemate.apiserver.resource import GroupResource, Resource
from casemate.apiserver.store.database import Store
from casemate.apiserver.store.objects import ObjectKey
from casemate.apiserver.verbs import Verbs
from casemate.apiserver.writes import Writes
from casemate.controller.observation import Observed
from casemate.controller.stored_function import StoredFunction
from casemate.node.exit_status import Termination

PODS = GroupResource("", "pods")
_NODE_NAME = "local"
# A Function at rest has no Pod: nothing of it runs.
_PRESENT = frozenset({"Starting", "Ready", "NotReady", "CrashLoopBackOff", "Failed", "Draining"})


@dataclass(frozen=True, slots=True)
class Instance:
    """Everything that a Pod is written from."""

    stored: StoredFunction
    observed: Observed
    template: Mapping[str, Any]
    last_termination: Termination | None = None


class PodView:
    """Holds the Pods in a store of their own, in memory: they are observed anew in each life."""

    def __init__(self, store: Store) -> None:
        self._store = store
        writes = Writes(store, (), _now)
        self._verbs = Verbs(store, writes, lambda _call, _resource: None, _now)
        self._names: dict[FunctionRef, str] = {}

    def function_of(self, namespace: str, pod: str) -> FunctionRef | None:
        """Return whose Pod this is."""
        found = (ref for ref, name in self._names.items()
                 if name == pod and ref.namespace == namespace)  # fmt: skip
        return next(found, None)

    async def door(self, call: Call, resource: Resource) -> Reply:
        """Answer get, list and watch. Raises ApiError."""
        return await self._verbs.answer(call, resource)

    async def show(self, ref: FunctionRef, instance: Instance | None) -> None:
        """Make the view of one Function equal to what is observed; one call per Function at once.

        None: it is gone.
        """
        wanted = _pod(instance) if instance is not None else None
        name = wanted["metadata"]["name"] if wanted is not None else None
        shown = self._names.get(ref)
        if shown is not None and shown != name:
            del self._names[ref]
            await self._remove(_key(ref, shown))
        if wanted is None or name is None:
            return
        self._names[ref] = name
        key = _key(ref, name)
        stored = self._store.get(key)
        if stored is None:
            await self._store.create(key, wanted)
            return
        before = stored.tree()
        _keep_times(before, wanted)
        if before != wanted:
            await self._store.replace(key, wanted, expected=stored.resource_version)

    async def _remove(self, key: ObjectKey) -> None:
        stored = self._store.get(key)
        if stored is not None:
            await self._store.delete(key, expected=stored.resource_version, tree=stored.tree())


def _pod(instance: Instance) -> dict[str, Any] | None:
    stored, observed, template = instance.stored, instance.observed, instance.template
    if observed.phase not in _PRESENT or observed.revision is None or not template:
        return None
    now = _now()
    metadata = copy.deepcopy(dict(template.get("metadata") or {}))
    metadata |= {
        "name": observed.revision,
        "namespace": stored.ref.namespace,
        "uid": str(uuid.uuid5(uuid.UUID(stored.uid), observed.revision)),
        "creationTimestamp": now,
        "ownerReferences": [{
            "apiVersion": "serverless.kyma-project.io/v1alpha2", "kind": "Function",
            "name": stored.ref.name, "uid": stored.uid, "controller": True,
        }],
    }  # fmt: skip
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": _spec(template),
        "status": _status(instance, now),
    }


def _spec(template: Mapping[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = copy.deepcopy(dict(template["spec"]))
    for container in spec.get("containers", ()):
        # ATTACK: who may look at Pods may not therefore read a credential that stands in a
        # variable. tests/unit/engine/test_pod_view.py
        for variable in container.get("env", ()):
            variable.pop("value", None)
    return spec | {"nodeName": _NODE_NAME}


def _status(instance: Instance, now: str) -> dict[str, Any]:
    observed = instance.observed
    ready = observed.phase == "Ready"
    phase = {"Starting": "Pending", "Failed": "Failed"}.get(observed.phase, "Running")
    container = instance.template["spec"]["containers"][0]
    state = {
        "name": container["name"],
        "image": container["image"],
        "imageID": container["image"],
        "ready": ready,
        "started": observed.phase in {"Ready", "NotReady", "Draining"},
        "restartCount": observed.restarts,
        "state": _state(instance, now),
        "lastState": _terminated(instance.last_termination),
    }
    answer = "True" if ready else "False"
    conditions = [
        {"type": kind, "status": status, "lastTransitionTime": now}
        for kind, status in (
            ("PodScheduled", "True"),
            ("Initialized", "True"),
            ("ContainersReady", answer),
            ("Ready", answer),
        )
    ]
    found = {
        "phase": phase,
        "conditions": conditions,
        "startTime": now,
        "qosClass": "Burstable",
        "containerStatuses": [state],
    }
    if phase == "Failed":
        found |= {"reason": observed.reason, "message": observed.message}
    return found


def _state(instance: Instance, now: str) -> dict[str, Any]:
    observed = instance.observed
    if observed.phase == "Starting":
        return {"waiting": {"reason": "ContainerCreating"}}
    if observed.phase == "CrashLoopBackOff":
        return {"waiting": {"reason": "CrashLoopBackOff", "message": observed.message}}
    if observed.phase == "Failed":
        return _terminated(instance.last_termination) or {
            "waiting": {"reason": observed.reason or "Failed", "message": observed.message}
        }
    return {"running": {"startedAt": now}}


def _terminated(last: Termination | None) -> dict[str, Any]:
    if last is None:
        return {}
    found: dict[str, Any] = {
        "reason": str(last.reason),
        "exitCode": last.exit_code,
        "message": last.message,
        "startedAt": _seconds(last.started_at),
        "finishedAt": _seconds(last.finished_at),
    }
    if last.signal is not None:
        found["signal"] = last.signal
    return {"terminated": found}


def _keep_times(before: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Take over the times of what did not change, so that only a change is one."""
    wanted["metadata"]["creationTimestamp"] = before["metadata"]["creationTimestamp"]
    wanted["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"]
    old, new = before["status"], wanted["status"]
    new["startTime"] = old["startTime"]
    since = {one["type"]: one for one in old["conditions"]}
    for condition in new["conditions"]:
        known = since.get(condition["type"])
        if known is not None and known["status"] == condition["status"]:
            condition["lastTransitionTime"] = known["lastTransitionTime"]
    was, now = old["containerStatuses"][0], new["containerStatuses"][0]
    same_life = was["restartCount"] == now["restartCount"]
    if same_life and "running" in was["state"] and "running" in now["state"]:
        now["state"] = was["state"]


def _seconds(moment: str) -> str:
    """Cut a time of the log down to whole seconds, as metav1.Time has them."""
    return f"{moment[:19]}Z"


def _now() -> str:
    return clock.rfc3339(clock.now())


def _key(ref: FunctionRef, name: str) -> ObjectKey:
    return ObjectKey("", "pods", ref.namespace, name)
