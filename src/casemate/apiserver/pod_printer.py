"""One Pod as a row: the word under STATUS is worked out from all of its containers.

Source: printPod in pkg/printers/internalversion/printers.go of Kubernetes 1.36. Init containers
that restart (sidecars) are counted as there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from casemate.apiserver.ages import age, moment
from casemate.apiserver.resource import Tree

_ENDED = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}
_NONE = "<none>"


@dataclass(slots=True)
class _Seen:
    """What was found while looking at the containers in order."""

    reason: str
    ready: int = 0
    restarts: int = 0
    restarted: str = ""
    """When a container last ended, RFC 3339."""

    def count(self, container: Tree) -> None:
        self.restarts += container.get("restartCount", 0)
        finished = _terminated(container.get("lastState")).get("finishedAt") or ""
        later, known = moment(finished), moment(self.restarted)
        if later is not None and (known is None or known < later):
            self.restarted = finished


def pod_conditions(pod: Tree) -> list[Tree]:
    """Return the mark of a row whose Pod has ended."""
    phase = (pod.get("status") or {}).get("phase", "")
    if phase not in _ENDED:
        return []
    return [{"type": "Completed", "status": "True", "reason": phase, "message": _ENDED[phase]}]


def pod_cells(pod: Tree, now: datetime) -> list[Any]:
    """Return name, ready, status, restarts, age and the wide columns."""
    spec, status, metadata = pod.get("spec") or {}, pod.get("status") or {}, pod["metadata"]
    sidecars = {
        one["name"] for one in spec.get("initContainers") or ()
        if one.get("restartPolicy") == "Always"
    }  # fmt: skip
    seen = _Seen(status.get("reason") or status.get("phase", ""))
    if any(one.get("reason") == "SchedulingGated" for one in _conditions(status, "PodScheduled")):
        seen.reason = "SchedulingGated"
    sidecar_seen, initializing = _look_at_init(spec, status, sidecars, seen)
    if not initializing or _is_true(status, "Initialized"):
        seen.restarts, seen.restarted = sidecar_seen.restarts, sidecar_seen.restarted
        _look_at_containers(status, seen)
    if metadata.get("deletionTimestamp") and status.get("phase") not in _ENDED:
        seen.reason = "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    restarts = str(seen.restarts)
    if seen.restarts and seen.restarted:
        restarts = f"{restarts} ({age(seen.restarted, now)} ago)"
    total = len(spec.get("containers") or ()) + len(sidecars)
    created = age(metadata.get("creationTimestamp"), now)
    return [
        metadata["name"], f"{seen.ready}/{total}", seen.reason, restarts, created,
        *_wide(spec, status),
    ]  # fmt: skip


def _look_at_init(spec: Tree, status: Tree, sidecars: set[str], seen: _Seen) -> tuple[_Seen, bool]:
    """Return what sidecars add, and whether the Pod still initializes."""
    of_sidecars = _Seen("")
    for index, container in enumerate(status.get("initContainerStatuses") or ()):
        is_sidecar = container.get("name") in sidecars
        seen.count(container)
        if is_sidecar:
            of_sidecars.count(container)
        state = container.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting") or {}
        if ended is not None and ended.get("exitCode", 0) == 0:
            continue
        if is_sidecar and container.get("started"):
            seen.ready += int(bool(container.get("ready")))
            continue
        if ended is not None:
            seen.reason = f"Init:{_ended_word(ended)}"
        elif waiting.get("reason") and waiting["reason"] != "PodInitializing":
            seen.reason = f"Init:{waiting['reason']}"
        else:
            seen.reason = f"Init:{index}/{len(spec.get('initContainers') or ())}"
        return of_sidecars, True
    return of_sidecars, False


def _look_at_containers(status: Tree, seen: _Seen) -> None:
    running, failed = False, ""
    for container in reversed(status.get("containerStatuses") or ()):
        seen.count(container)
        state = container.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting") or {}
        if waiting.get("reason"):
            seen.reason = waiting["reason"]
        elif ended is not None:
            seen.reason = _ended_word(ended)
            failed = seen.reason if ended.get("exitCode", 0) else failed
        elif container.get("ready") and state.get("running") is not None:
            running = True
            seen.ready += 1
    if seen.reason == "Completed":
        if running and _is_true(status, "Ready"):
            seen.reason = "Running"
        elif failed:
            seen.reason = failed
        elif running:
            seen.reason = "NotReady"


def _wide(spec: Tree, status: Tree) -> list[str]:
    addresses = status.get("podIPs") or ()
    gates = spec.get("readinessGates") or ()
    true = sum(_is_true(status, gate.get("conditionType", "")) for gate in gates)
    return [
        (addresses[0].get("ip") if addresses else "") or _NONE,
        spec.get("nodeName") or _NONE,
        status.get("nominatedNodeName") or _NONE,
        f"{true}/{len(gates)}" if gates else _NONE,
    ]


def _terminated(state: Any) -> Tree:
    return (state or {}).get("terminated") or {}


def _ended_word(ended: Tree) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    if ended.get("signal"):
        return f"Signal:{ended['signal']}"
    return f"ExitCode:{ended.get('exitCode', 0)}"


def _conditions(status: Tree, of_type: str) -> list[Tree]:
    return [one for one in status.get("conditions") or () if one.get("type") == of_type]


def _is_true(status: Tree, of_type: str) -> bool:
    return any(one.get("status") == "True" for one in _conditions(status, of_type)[:1])
