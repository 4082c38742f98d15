"""Conditions of a Function, computed whole from what was found; pure.

A condition keeps its transition time while its status stays the same, as Kubernetes asks.
`Running` speaks of what serves now: a change that cannot be made leaves it True while
`ConfigurationReady` says what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from casemate.api.catalogue import RUNTIMES
from casemate.api.conditions import Condition, ConditionStatus, ConditionType
from casemate.controller.observation import Configured, Observed

# Long enough to plan the move of many Functions.
OUTDATED_NOTICE_DAYS = 180

_PHASE_REASONS = {
    "Ready": "DeploymentReady",
    "Pending": "DeploymentWaiting",
    "Starting": "DeploymentWaiting",
    "Draining": "DeploymentWaiting",
    "Stopped": "DeploymentWaiting",
}
_WAITING_PHASES = frozenset({"Pending", "Starting", "NotReady"})


def conditions(
    runtime: str,
    configured: Configured,
    observed: Observed,
    *,
    previous: Iterable[Condition],
    now: str,
) -> tuple[Condition, ...]:
    """Return every condition that holds or is required, in a fixed order.

    `now` is RFC 3339 and becomes the transition time of what changed.
    """
    before = {condition.type: condition for condition in previous}
    found = [_configuration(configured), _running(configured, observed)]
    if configured.relaxed_fields:
        fields = ", ".join(configured.relaxed_fields)
        found.append(_true(ConditionType.SECURITY_RELAXED, "PolicyAllows", f"loosened: {fields}"))
    if observed.gaps:
        message = "; ".join(observed.gaps)
        found.append(_true(ConditionType.ENFORCEMENT_DEGRADED, "MachineCannotEnforce", message))
    outdated = _outdated(runtime, now)
    if outdated is not None:
        found.append(outdated)
    return tuple(_settle(new, before.get(new.type), configured.generation, now) for new in found)


def _configuration(configured: Configured) -> Condition:
    kind = ConditionType.CONFIGURATION_READY
    if configured.fault is not None:
        fault = configured.fault
        again = " (tried again)" if fault.retried else ""
        return _new(kind, ConditionStatus.FALSE, fault.reason, fault.message + again)
    if configured.revision is None:
        return _new(kind, ConditionStatus.UNKNOWN, "Progressing", configured.step)
    message = f"revision {configured.revision.name}"
    return _new(kind, ConditionStatus.TRUE, "FunctionSpecValidated", message)


def _running(configured: Configured, observed: Observed) -> Condition:
    kind = ConditionType.RUNNING
    wanted = configured.revision.name if configured.revision else None
    if observed.ready > 0:
        late = wanted is not None and observed.revision not in (None, wanted)
        message = f"revision {observed.revision} serves"
        if late:
            message += f", {wanted} is not ready: {observed.message or observed.phase}"
        if observed.ready < observed.wanted:
            message += f", with {observed.ready} of {observed.wanted} instances"
        return _new(kind, ConditionStatus.TRUE, "DeploymentReady", message)
    if observed.phase == "ScaledToZero":
        message = f"scaled to zero: a request starts revision {observed.revision}"
        if wanted is not None and observed.revision != wanted:
            message += f", {wanted} is not ready: {observed.message or observed.phase}"
        return _new(kind, ConditionStatus.TRUE, "ScaledToZero", message)
    waiting = observed.phase in _WAITING_PHASES and configured.fault is None
    status = ConditionStatus.UNKNOWN if waiting else ConditionStatus.FALSE
    reason = _PHASE_REASONS.get(observed.phase, "DeploymentFailed")
    if observed.reason:
        reason = observed.reason
    elif configured.fault is not None:
        reason = "DeploymentFailed"
    return _new(kind, status, reason, observed.message or ("starting" if waiting else ""))


def _outdated(runtime: str, now: str) -> Condition | None:
    if runtime not in RUNTIMES:
        return None
    end = RUNTIMES[runtime].end_of_life
    left = (end - date.fromisoformat(now[:10])).days
    if left > OUTDATED_NOTICE_DAYS:
        return None
    state = f"ends on {end}" if left >= 0 else f"ended on {end}"
    message = f"upstream support of {runtime} {state}; move to a newer runtime"
    return _true(ConditionType.RUNTIME_OUTDATED, "EndOfLife", message)


def _settle(new: Condition, old: Condition | None, generation: int, now: str) -> Condition:
    since = old.last_transition_time if old is not None and old.status == new.status else now
    update = {"last_transition_time": since, "observed_generation": generation}
    return new.model_copy(update=update)


def _true(kind: ConditionType, reason: str, message: str) -> Condition:
    return _new(kind, ConditionStatus.TRUE, reason, message)


def _new(kind: ConditionType, status: ConditionStatus, reason: str, message: str) -> Condition:
    return Condition(
        type=kind, status=status, reason=reason, message=message, last_transition_time=""
    )
