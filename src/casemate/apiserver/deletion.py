"""How an object goes away: at once, after its finalizers, or after or without its dependents; pure.

Source: k8s.io/apiserver v0.36, pkg/registry/generic/registry (deletion finalizers for
propagationPolicy) and the namespace life cycle of kube-controller-manager.
"""

from __future__ import annotations

import copy

from casemate.apiserver.object_meta import FOREGROUND, ORPHAN, begin_deletion, metadata_of
from casemate.apiserver.resource import Resource, Tree

_BY_PROPAGATION = {"Foreground": (FOREGROUND,), "Orphan": (ORPHAN,), "Background": ()}


def removal(resource: Resource, tree: Tree, propagation: str, now: str) -> Tree:
    """Return the object as it is after a delete was asked for.

    The result is finished (`object_meta.is_finished`) when nothing holds it.
    """
    wanted = copy.deepcopy(tree)
    metadata = metadata_of(wanted)
    finalizers = _BY_PROPAGATION[propagation]
    if propagation == "Background" and not metadata.get("deletionTimestamp"):
        # A later wish wins over what an earlier request asked of the dependents.
        held = [
            name for name in metadata.get("finalizers") or () if name not in (FOREGROUND, ORPHAN)
        ]
        metadata["finalizers"] = held
    begin_deletion(resource, wanted, now, finalizers)
    if not metadata_of(wanted)["finalizers"]:
        metadata_of(wanted).pop("finalizers")
    if resource.plural == "namespaces" and not resource.group:
        wanted.setdefault("status", {})["phase"] = "Terminating"
    return wanted
