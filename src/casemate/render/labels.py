"""The labels by which a Function's objects are found: Kyma's keys, and Kyma's value for its uuid.

The user's labels go to the Pods only; on every key of ours, ours win.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from casemate.api.cluster_objects import RenderedMeta
from casemate.api.meta import OwnerReference
from casemate.api.names import KYMA_PREFIX

if TYPE_CHECKING:
    from casemate.api.function import Function

FUNCTION_NAME = f"{KYMA_PREFIX}function-name"
MANAGED_BY = f"{KYMA_PREFIX}managed-by"
UUID = f"{KYMA_PREFIX}uuid"
RESOURCE = f"{KYMA_PREFIX}resource"
# Dashboards and scripts written for Kyma select by this value.
MANAGER = "function-controller"


def function_labels(function: Function) -> dict[str, str]:
    """Return the labels of every object that belongs to `function`."""
    labels = {FUNCTION_NAME: function.metadata.name, MANAGED_BY: MANAGER}
    if function.metadata.uid:
        labels[UUID] = function.metadata.uid
    return labels


def selector_labels(function: Function) -> dict[str, str]:
    """Return the labels that select the Function's Pods, and nothing else."""
    return {**function_labels(function), RESOURCE: "deployment"}


def pod_labels(function: Function) -> dict[str, str]:
    """Return the Pod's labels: the user's, then those that select it."""
    return {**(function.spec.labels or {}), **selector_labels(function)}


def object_meta(function: Function, name: str | None = None) -> RenderedMeta:
    """Return the metadata of an object that `function` owns; it is deleted with the Function."""
    uid = function.metadata.uid
    owner = OwnerReference(
        api_version=function.api_version,
        kind=function.kind,
        name=function.metadata.name,
        uid=uid or "",
        controller=True,
        block_owner_deletion=True,
    )
    return RenderedMeta(
        name=name or function.metadata.name,
        namespace=function.ref.namespace,
        labels=function_labels(function),
        owner_references=(owner,) if uid else None,
    )
