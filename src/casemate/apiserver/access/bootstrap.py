"""Puts the default roles and bindings into the store, and back what was taken away from them.

After the reconciliation of kube-apiserver 1.36 (pkg/registry/rbac/reconciliation): what is missing
is added at each start, what somebody added stays, and an object whose annotation `autoupdate` says
"false" is left alone. A binding that leads to another role is made anew: its role cannot change.
"""

from __future__ import annotations

from collections.abc import Mapping

from casemate.apiserver.access.attributes import User
from casemate.apiserver.access.default_roles import AUTOUPDATE, default_objects
from casemate.apiserver.access.rbac import role_rules, uncovered
from casemate.apiserver.object_meta import metadata_of
from casemate.apiserver.resource import Resource, Tree
from casemate.apiserver.store.database import Store
from casemate.apiserver.write_options import DeleteOptions, WriteOptions
from casemate.apiserver.writes import Target, Writes

_OPTIONS = WriteOptions("casemate-default-roles")


async def ensure_default_roles(
    store: Store, writes: Writes, resources: Mapping[str, Resource], user: User
) -> None:
    """Make or mend every default role and binding; `resources` by kind. Raises ApiError."""
    for wanted in default_objects():
        target = Target(resources[str(wanted["kind"])], "", wanted["metadata"]["name"], user)
        stored = store.get(target.key)
        if stored is None:
            await writes.create(target, wanted, _OPTIONS)
            continue
        found = stored.tree()
        if (metadata_of(found).get("annotations") or {}).get(AUTOUPDATE) == "false":
            continue
        if found.get("roleRef") != wanted.get("roleRef"):
            await writes.delete(target, DeleteOptions(uid=stored.uid))
            await writes.create(target, wanted, _OPTIONS)
            continue
        mended = _mended(found, wanted)
        if mended != found:
            await writes.update(target, mended, _OPTIONS)


def _mended(found: Tree, wanted: Tree) -> Tree:
    """Return `found` with everything of `wanted` that it lacks."""
    metadata = dict(metadata_of(found))
    for field in ("labels", "annotations"):
        given = metadata.get(field)
        # A value that its owner set stands.
        metadata[field] = wanted["metadata"][field] | (given if isinstance(given, dict) else {})
    mended = {**found, "metadata": metadata}
    if "aggregationRule" in wanted:
        return mended | {"aggregationRule": wanted["aggregationRule"]}
    if "rules" in wanted:
        held = found.get("rules") or []
        lacking = [
            rule
            for rule in wanted["rules"]
            if uncovered(role_rules({"rules": [rule]}), role_rules(found))
        ]
        return mended | {"rules": [*held, *lacking]}
    subjects = found.get("subjects") or []
    lacking = [one for one in wanted["subjects"] if one not in subjects]
    return mended | {"subjects": [*subjects, *lacking]}
