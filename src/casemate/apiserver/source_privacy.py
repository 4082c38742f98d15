"""A Function's source is a permission of its own: `get functionsources` in its namespace.

Who lacks it sees every Function without its code, in each form of answer, and cannot change,
drop or probe what he does not see. Code is hidden wherever an object carries it: in `spec.source`
and in the copy of the manifest that kubectl leaves in an annotation.
"""

from __future__ import annotations

from casemate.apiserver.access.attributes import Attributes, User
from casemate.apiserver.access.rbac import Authorizer
from casemate.apiserver.admission import AdmissionRequest
from casemate.apiserver.body import media_type, read_value
from casemate.apiserver.call import Call
from casemate.apiserver.reply import View
from casemate.apiserver.resource import GroupResource, Resource, Tree
from casemate.apiserver.status_error import ApiError, Subject, forbidden

FUNCTIONS = GroupResource("serverless.kyma-project.io", "functions")
SOURCES = GroupResource("casemate.dev", "functionsources")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_JSON_PATCH = "application/json-patch+json"
_HIDDEN = ("/spec/source", "/metadata/annotations")


class SourcePrivacy:
    """The viewer of the reading verbs, and the check of the writing ones."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def view(self, call: Call, resource: Resource) -> View | None:
        """Return what this caller sees of each object; None: all of it."""
        if resource.group_resource != FUNCTIONS or self._may_read(call.user, call.asked.namespace):
            return None
        known: dict[str, bool] = {}

        def seen(tree: Tree) -> Tree:
            namespace = str((tree.get("metadata") or {}).get("namespace", ""))
            if namespace not in known:
                known[namespace] = self._may_read(call.user, namespace)
            return tree if known[namespace] else without_source(tree)

        return seen

    def check_patch(self, call: Call) -> None:
        """Refuse a JSON patch that reads what its author may not see. Raises ApiError 403."""
        asked = call.asked
        if asked.verb != "patch" or GroupResource(asked.group, asked.plural) != FUNCTIONS:
            return
        if media_type(call.content_type) != _JSON_PATCH:
            return
        if self._may_read(call.user, asked.namespace):
            return
        steps = read_value(call.body, call.content_type)
        for step in steps if isinstance(steps, list) else ():
            # ATTACK: `copy` would carry the code to a field that is shown, `test` would confirm
            # a guess of it. tests/unit/apiserver/test_source_privacy.py
            if isinstance(step, dict) and _reads_hidden(step):
                raise _refused(asked.name, asked.namespace, call.user)

    def __call__(self, request: AdmissionRequest) -> None:
        """Refuse to change or drop a source that the caller may not see. Raises ApiError 403."""
        if request.resource.group_resource != FUNCTIONS or request.old is None:
            return
        if request.new is None or _hidden(request.old) == _hidden(request.new):
            return
        if not self._may_read(request.user, request.namespace):
            raise _refused(request.name, request.namespace, request.user)

    def _may_read(self, user: User, namespace: str) -> bool:
        asked = Attributes(
            user, "get", SOURCES.group, "v1alpha1", SOURCES.plural, "", namespace
        )  # fmt: skip
        return self._authorizer.decide(asked).allowed


def without_source(tree: Tree) -> Tree:
    """Return a Function without its code; where a Git source lies stays visible."""
    metadata = tree.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    shown = {key: value for key, value in annotations.items() if key != LAST_APPLIED}
    seen = {**tree, "metadata": {**metadata}}
    if annotations:
        seen["metadata"]["annotations"] = shown
        if not shown:
            del seen["metadata"]["annotations"]
    spec = tree.get("spec")
    source = spec.get("source") if isinstance(spec, dict) else None
    if isinstance(spec, dict) and source is not None:
        git = source.get("gitRepository") if isinstance(source, dict) else None
        seen["spec"] = {**spec, "source": {"gitRepository": git} if git else {}}
    return seen


def _hidden(tree: Tree) -> object:
    """Return what `without_source` would leave out, for comparison."""
    return (tree.get("spec") or {}).get("source")


def _reads_hidden(step: Tree) -> bool:
    operation = step.get("op")
    read = step.get("from") if operation in {"copy", "move"} else step.get("path")
    if operation not in {"copy", "move", "test"} or not isinstance(read, str):
        return False
    return any(_overlap(read.rstrip("/"), hidden) for hidden in _HIDDEN)


def _overlap(one: str, other: str) -> bool:
    return (one + "/").startswith(other + "/") or (other + "/").startswith(one + "/")


def _refused(name: str, namespace: str, user: User) -> ApiError:
    return forbidden(
        f'{FUNCTIONS} "{name}" is forbidden: User "{user.name}" cannot get resource '
        f'"{SOURCES.plural}" in API group "{SOURCES.group}" in the namespace "{namespace}", so '
        "the source of a Function cannot be changed",
        Subject(FUNCTIONS.group, FUNCTIONS.plural, name),
    )
