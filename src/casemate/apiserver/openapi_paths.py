"""The paths of one group and version for OpenAPI: what kubectl reads to learn what it may ask.

kubectl looks here for the kind behind a path (`explain`), for `fieldValidation` among the query
parameters of a PATCH (`--validate`) and for the patch types that a kind takes (`apply`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

from casemate.apiserver.core_schemas import META
from casemate.apiserver.openapi_schemas import reference, schema_name
from casemate.apiserver.resource import Resource, Subresource, Tree

_JSON = ("application/json", "application/yaml")
_PATCHES = (
    "application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json",
)  # fmt: skip
_STRATEGIC = "application/strategic-merge-patch+json"
_METHODS = {
    "get": "get", "list": "get", "create": "post", "update": "put", "patch": "patch",
    "delete": "delete", "deletecollection": "delete",
}  # fmt: skip
_ACTIONS = {"create": "post", "update": "put"}
_WORDS = {"create": "create", "update": "replace", "get": "read"}
_QUERY = {
    "continue": ("string", "Where to go on with a list that was cut by limit."),
    "dryRun": ("string", "All: everything is checked and nothing is stored."),
    "fieldManager": ("string", "The name of the program or person that makes the change."),
    "fieldSelector": ("string", "Selects objects by their fields."),
    "fieldValidation": ("string", "Ignore, Warn or Strict: what to do about unknown fields."),
    "force": ("boolean", "Take fields of other managers over; only for an apply."),
    "gracePeriodSeconds": ("integer", "The seconds before an object is deleted."),
    "labelSelector": ("string", "Selects objects by their labels."),
    "limit": ("integer", "The most objects in one answer."),
    "orphanDependents": ("boolean", "Deprecated: use propagationPolicy."),
    "pretty": ("string", "Whether the answer is indented."),
    "propagationPolicy": ("string", "Orphan, Background or Foreground: the fate of dependents."),
    "allowWatchBookmarks": ("boolean", "Whether a watch tells how far it has come."),
    "resourceVersion": ("string", "The version to list or to watch from."),
    "resourceVersionMatch": ("string", "Exact or NotOlderThan: how resourceVersion is meant."),
    "sendInitialEvents": ("boolean", "Whether a watch begins with what exists."),
    "timeoutSeconds": ("integer", "The seconds after which a list or watch ends."),
    "watch": ("boolean", "Whether to go on with the changes."),
}  # fmt: skip
_SELECTING = (
    "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion",
    "resourceVersionMatch", "sendInitialEvents", "timeoutSeconds",
)  # fmt: skip
_WRITING = ("dryRun", "fieldManager", "fieldValidation")
_DELETING = ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")
_PARAMETERS = {
    "get": (),
    "list": ("allowWatchBookmarks", *_SELECTING, "watch"),
    "create": _WRITING,
    "update": _WRITING,
    "patch": (*_WRITING, "force"),
    "delete": _DELETING,
    "deletecollection": (*_SELECTING, *_DELETING),
}


class _Scope(StrEnum):
    """Where a path looks; the text is that of an operation's name."""

    CLUSTER = ""
    NAMESPACE = "Namespaced"
    EVERYWHERE = "ForAllNamespaces"


def paths(resources: Iterable[Resource]) -> Tree:
    """Return path -> operations."""
    return dict(sorted(one for resource in resources for one in _of(resource)))


def _of(resource: Resource) -> Iterator[tuple[str, Tree]]:
    group, version = resource.group, resource.version
    base = f"/apis/{group}/{version}" if group else f"/api/{version}"
    home = f"{base}/namespaces/{{namespace}}" if resource.namespaced else base
    where = f"{home}/{resource.plural}"
    scope = _Scope.NAMESPACE if resource.namespaced else _Scope.CLUSTER
    collection = [one for one in ("list", "create", "deletecollection") if one in resource.verbs]
    yield where, _path(resource, collection, scope, None)
    if resource.namespaced and "list" in resource.verbs:
        yield f"{base}/{resource.plural}", _path(resource, ["list"], _Scope.EVERYWHERE, None)
    single = [one for one in ("get", "update", "patch", "delete") if one in resource.verbs]
    if single:
        yield f"{where}/{{name}}", _path(resource, single, scope, None, named=True)
    for name, subresource in resource.subresources.items():
        verbs = [one for one in ("get", "create", "update", "patch") if one in subresource.verbs]
        yield (
            f"{where}/{{name}}/{name}",
            _path(resource, verbs, scope, subresource, named=True),
        )


def _path(
    resource: Resource,
    verbs: Sequence[str],
    scope: _Scope,
    subresource: Subresource | None,
    *,
    named: bool = False,
) -> Tree:
    """Describe one path."""
    item: Tree = {_METHODS[verb]: _operation(resource, verb, scope, subresource) for verb in verbs}
    parameters = [_query("pretty")]
    if scope is _Scope.NAMESPACE:
        parameters.insert(0, _in_path("namespace", "object name and auth scope"))
    if named:
        parameters.insert(0, _in_path("name", f"name of the {resource.kind}"))
    return item | {"parameters": parameters}


def _operation(
    resource: Resource, verb: str, scope: _Scope, subresource: Subresource | None
) -> Tree:
    shown = subresource or resource
    name = schema_name(shown.group, shown.version, shown.kind)
    what = f"{subresource.name} of the {resource.kind}" if subresource else resource.kind
    operation: Tree = {
        "description": f"{_WORDS.get(verb, verb)} {what}",
        "operationId": _operation_id(resource, verb, scope, subresource),
        "parameters": [_query(one) for one in _PARAMETERS[verb]],
        "responses": _responses(verb, name),
        "tags": [_tag(resource)],
        "x-kubernetes-action": _ACTIONS.get(verb, verb),
        "x-kubernetes-group-version-kind": {
            "group": shown.group, "version": shown.version, "kind": shown.kind,
        },
    }  # fmt: skip
    if verb in {"create", "update"}:
        operation["requestBody"] = _body(_JSON, name, required=True)
    elif verb == "patch":
        # A kind of ours has no merge keys: a strategic merge would have to guess.
        types = _PATCHES if resource.model is not None else (*_PATCHES, _STRATEGIC)
        operation["requestBody"] = _body(types, f"{META}.Patch", required=True)
    elif verb in {"delete", "deletecollection"}:
        operation["requestBody"] = _body(_JSON, f"{META}.DeleteOptions", required=False)
    return operation


def _responses(verb: str, name: str) -> Tree:
    answer = {"list": f"{name}List", "delete": f"{META}.Status"}.get(verb, name)
    if verb == "deletecollection":
        answer = f"{META}.Status"
    told = {"200": {"description": "OK", "content": _content(_JSON, answer)}}
    if verb in {"create", "update", "patch"}:
        told["201"] = {"description": "Created", "content": _content(_JSON, answer)}
    return told | {"401": {"description": "Unauthorized"}}


def _body(types: Iterable[str], name: str, *, required: bool) -> Tree:
    body: Tree = {"content": _content(types, name)}
    return body | ({"required": True} if required else {})


def _content(types: Iterable[str], name: str) -> Tree:
    return {one: {"schema": reference(name)} for one in types}


def _query(name: str) -> Tree:
    of_type, text = _QUERY[name]
    return {
        "name": name, "in": "query", "description": text,
        "schema": {"type": of_type, "uniqueItems": True},
    }  # fmt: skip


def _in_path(name: str, text: str) -> Tree:
    return {
        "name": name, "in": "path", "description": text, "required": True,
        "schema": {"type": "string", "uniqueItems": True},
    }  # fmt: skip


def _tag(resource: Resource) -> str:
    return f"{_camel(resource.group)[:1].lower()}{_camel(resource.group)[1:]}_{resource.version}"


def _operation_id(
    resource: Resource, verb: str, scope: _Scope, subresource: Subresource | None
) -> str:
    word = {"deletecollection": "delete"}.get(verb, _WORDS.get(verb, verb))
    where = scope if scope is _Scope.NAMESPACE else ""
    collection = "Collection" if verb == "deletecollection" else ""
    tail = subresource.name.capitalize() if subresource else ""
    tail += scope if scope is _Scope.EVERYWHERE else ""
    group = f"{_camel(resource.group)}{resource.version.capitalize()}"
    return f"{word}{group}{collection}{where}{resource.kind}{tail}"


def _camel(group: str) -> str:
    words = (group or "core").removesuffix(".k8s.io").replace("-", ".").split(".")
    return "".join(word.capitalize() for word in words)
