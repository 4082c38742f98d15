"""Conditions, their reasons and exit reasons: a closed set, written as the API shows them.

`ConfigurationReady` and `Running` with their reasons are Kyma's (docs/user, Function CR); the other
types are ours.
"""

from __future__ import annotations

from enum import StrEnum

from casemate.api.workload import WireModel


class ConditionType(StrEnum):
    """What a condition speaks about."""

    CONFIGURATION_READY = "ConfigurationReady"
    RUNNING = "Running"
    SECURITY_RELAXED = "SecurityRelaxed"
    RUNTIME_OUTDATED = "RuntimeOutdated"
    ENFORCEMENT_DEGRADED = "EnforcementDegraded"


class ConditionStatus(StrEnum):
    """Kubernetes' three values."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class ConditionReason(StrEnum):
    """Kyma's reasons of its two conditions, in the order of a Function's life.

    A reason that a step of ours adds (a failed scan, a missing runtime) is that step's error code.
    """

    INVALID_FUNCTION_SPEC = "InvalidFunctionSpec"
    FUNCTION_SPEC_VALIDATED = "FunctionSpecValidated"
    SOURCE_UPDATED = "SourceUpdated"
    SOURCE_UPDATE_FAILED = "SourceUpdateFailed"
    DEPLOYMENT_CREATED = "DeploymentCreated"
    DEPLOYMENT_UPDATED = "DeploymentUpdated"
    DEPLOYMENT_FAILED = "DeploymentFailed"
    DEPLOYMENT_DELETED = "DeploymentDeleted"
    DEPLOYMENT_DELETION_FAILED = "DeploymentDeletionFailed"
    DEPLOYMENT_WAITING = "DeploymentWaiting"
    DEPLOYMENT_READY = "DeploymentReady"
    DEPLOYMENT_READY_LEGACY = "DeploymentReadyLegacy"
    SERVICE_CREATED = "ServiceCreated"
    SERVICE_UPDATED = "ServiceUpdated"
    SERVICE_FAILED = "ServiceFailed"
    HPA_CREATED = "HorizontalPodAutoscalerCreated"
    HPA_UPDATED = "HorizontalPodAutoscalerUpdated"
    MIN_REPLICAS_NOT_AVAILABLE = "MinReplicasNotAvailable"
    MINIMUM_REPLICAS_UNAVAILABLE = "MinimumReplicasUnavailable"
    # Ours: Kyma's Functions always have a Pod.
    SCALED_TO_ZERO = "ScaledToZero"
    TURNED_OFF = "TurnedOff"


class ExitReason(StrEnum):
    """Why a sandbox ended, in the kubelet's words where it has one."""

    COMPLETED = "Completed"
    ERROR = "Error"
    OOM_KILLED = "OOMKilled"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    LOAD_FAILED = "LoadFailed"
    START_FAILED = "StartFailed"
    STOPPED = "Stopped"


class Condition(WireModel):
    """meta/v1 Condition."""

    type: str
    status: ConditionStatus
    reason: str
    message: str = ""
    last_transition_time: str
    observed_generation: int | None = None
