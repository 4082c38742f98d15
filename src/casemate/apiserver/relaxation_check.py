"""The admission check of Functions: a manifest that loosens the security model is refused at once.

The same decision as the renderer's, from the same settings, but earlier and with every field: who
applies the manifest hears of it, not only who reads the status. An object that was let in before
the rules became stricter may still be changed elsewhere; the renderer refuses to run it.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from casemate.api.function_policy import FunctionPolicy
from casemate.api.serverless import Serverless
from casemate.api.workload import PodSecurityContext, SecurityContext
from casemate.apiserver.admission import AdmissionRequest
from casemate.apiserver.object_meta import metadata_of
from casemate.apiserver.resource import GroupResource, Tree
from casemate.apiserver.source_privacy import FUNCTIONS
from casemate.apiserver.status_error import Cause, Subject, invalid
from casemate.apiserver.store.database import Store
from casemate.apiserver.store.objects import ObjectKey
from casemate.security.relaxations import (
    NEVER_REASON,
    RelaxationPolicy,
    relaxation_policy,
    settle_contexts,
)

POLICIES = GroupResource("casemate.dev", "functionpolicies")
SETTINGS = GroupResource("operator.kyma-project.io", "serverlesses")
_CONTEXTS = ("podSecurityContext", "containerSecurityContext")


class RelaxationCheck:
    """Asks the installation's settings and policies."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, request: AdmissionRequest) -> None:
        """Raise ApiError 422 with every field that is looser than allowed."""
        if request.resource.group_resource != FUNCTIONS or request.new is None:
            return
        asked = _contexts(request.new)
        if asked == (None, None) or (request.old is not None and asked == _contexts(request.old)):
            return
        policy = self._policy(request.namespace, request.name)
        try:
            settled = settle_contexts(
                _parsed(PodSecurityContext, asked[0]), _parsed(SecurityContext, asked[1]), policy
            )
        except ValidationError:
            # The kind's own rules have said so, or will: nothing of it can be rendered.
            return
        causes = [
            Cause(
                "FieldValueForbidden",
                f"Forbidden: looser than the default: {one.reason}"
                + (f", {NEVER_REASON}" if one.field_path in policy.never else ""),
                f"spec.{one.field_path}",
            )
            for one in settled.relaxations.refused
        ]
        if causes:
            subject = Subject(FUNCTIONS.group, FUNCTIONS.plural, request.name)
            raise invalid(subject, causes, kind="Function")

    def _policy(self, namespace: str, function: str) -> RelaxationPolicy:
        """Collect what is allowed there; an object that cannot be read allows nothing."""
        found = self._store.get(ObjectKey("", "namespaces", "", namespace))
        labels = metadata_of(found.tree()).get("labels") if found is not None else None
        settings = self._read(SETTINGS, Serverless)
        return relaxation_policy(
            settings[0].spec.security.relaxations if settings else "deny",
            [policy.spec for policy in self._read(POLICIES, FunctionPolicy)],
            function=function,
            namespace=namespace,
            namespace_labels=labels or {},
        )

    def _read(self, kind: GroupResource, model: Any) -> list[Any]:
        read = []
        for stored in self._store.list(kind).items:
            try:
                read.append(model.model_validate_json(stored.body, strict=True))
            except ValidationError:
                continue
        return read


def _contexts(tree: Tree) -> tuple[Any, Any]:
    spec = tree.get("spec")
    found = spec if isinstance(spec, dict) else {}
    return found.get(_CONTEXTS[0]), found.get(_CONTEXTS[1])


def _parsed(model: type[Any], given: object) -> Any:
    # From JSON, as the engine reads it: a Python list would be no tuple to a strict model.
    return None if given is None else model.model_validate_json(json.dumps(given), strict=True)
