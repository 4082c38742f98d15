"""The columns and cells of Kubernetes' own kinds.

Source: pkg/printers/internalversion/printers.go of Kubernetes 1.36; wide columns have priority 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from casemate.apiserver.ages import UNKNOWN, age
from casemate.apiserver.core_schemas import META, description
from casemate.apiserver.pod_printer import pod_cells, pod_conditions
from casemate.apiserver.resource import Column, Tree

Cells = Callable[[Tree, datetime], list[Any]]
_CORE = "io.k8s.api.core.v1"
_RBAC = "io.k8s.api.rbac.v1"


@dataclass(frozen=True, slots=True)
class Printer:
    """The columns of a kind, and the cells of one object."""

    columns: tuple[Column, ...]
    cells: Cells
    conditions: Callable[[Tree], list[Tree]] | None = None


def _column(name: str, about: tuple[str, str] | str, priority: int = 0, form: str = "") -> Column:
    """Describe a column by a sentence, or as the schema describes a field."""
    text = about if isinstance(about, str) else description(*about)
    return Column(name, "string", "", text, form, priority)


def _name(priority: int = 0) -> Column:
    return _column("Name", (f"{META}.ObjectMeta", "name"), priority, "name")


def _age() -> Column:
    return _column("Age", (f"{META}.ObjectMeta", "creationTimestamp"))


def _since_creation(tree: Tree, now: datetime) -> str:
    return age(tree["metadata"].get("creationTimestamp"), now)


def _simple(columns: Iterable[Column], middle: Callable[[Tree], Iterable[Any]]) -> Printer:
    """Return name, what is special, and age."""

    def cells(tree: Tree, now: datetime) -> list[Any]:
        return [tree["metadata"]["name"], *middle(tree), _since_creation(tree, now)]

    return Printer((_name(), *columns, _age()), cells)


@cache
def _namespace() -> Printer:
    column = _column("Status", "The status of the namespace")
    return _simple((column,), lambda tree: [_at(tree, "status").get("phase", "")])


@cache
def _secret() -> Printer:
    columns = (
        _column("Type", (f"{_CORE}.Secret", "type")),
        _column("Data", (f"{_CORE}.Secret", "data")),
    )
    return _simple(columns, lambda tree: [tree.get("type", ""), len(_at(tree, "data"))])


@cache
def _config_map() -> Printer:
    column = _column("Data", (f"{_CORE}.ConfigMap", "data"))
    return _simple((column,), lambda tree: [len(_at(tree, "data")) + len(_at(tree, "binaryData"))])


@cache
def _service_account() -> Printer:
    return _simple((), lambda _tree: [])


@cache
def _lease() -> Printer:
    column = _column("Holder", ("io.k8s.api.coordination.v1.LeaseSpec", "holderIdentity"))
    return _simple((column,), lambda tree: [_at(tree, "spec").get("holderIdentity") or ""])


@cache
def _controller_revision() -> Printer:
    columns = (
        _column("Controller", "Controller of the object"),
        _column("Revision", ("io.k8s.api.apps.v1.ControllerRevision", "revision")),
    )
    return _simple(columns, lambda tree: [_controller(tree), tree.get("revision", 0)])


def _controller(tree: Tree) -> str:
    for owner in tree["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            group = owner.get("apiVersion", "").rpartition("/")[0]
            kind = f"{owner.get('kind', '')}.{group}" if group else owner.get("kind", "")
            return f"{kind.lower()}/{owner.get('name', '')}"
    return "<none>"


def _binding(kind: str) -> Printer:
    where = kind[:1].lower() + kind[1:]
    # The printer has the sentence of an older version, which did not say this yet.
    role = description(f"{_RBAC}.{kind}", "roleRef").removesuffix(" This field is immutable.")
    columns = (
        _name(),
        _column("Role", role),
        _age(),
        _column("Users", f"Users in the {where}", 1),
        _column("Groups", f"Groups in the {where}", 1),
        _column("ServiceAccounts", f"ServiceAccounts in the {where}", 1),
    )
    return Printer(columns, _binding_cells)


@cache
def _role_binding() -> Printer:
    return _binding("RoleBinding")


@cache
def _cluster_role_binding() -> Printer:
    return _binding("ClusterRoleBinding")


def _binding_cells(tree: Tree, now: datetime) -> list[Any]:
    role = _at(tree, "roleRef")
    subjects: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in tree.get("subjects") or ():
        name = subject.get("name", "")
        if subject.get("kind") == "ServiceAccount":
            name = f"{subject.get('namespace', '')}/{name}"
        subjects.setdefault(subject.get("kind", ""), []).append(name)
    return [
        tree["metadata"]["name"],
        f"{role.get('kind', '')}/{role.get('name', '')}",
        _since_creation(tree, now),
        *(", ".join(subjects[kind]) for kind in ("User", "Group", "ServiceAccount")),
    ]


@cache
def _event() -> Printer:
    def of(field: str) -> tuple[str, str]:
        return f"{_CORE}.Event", field

    columns = (
        _column("Last Seen", of("lastTimestamp")),
        _column("Type", of("type")),
        _column("Reason", of("reason")),
        _column("Object", of("involvedObject")),
        _column("Subobject", (f"{_CORE}.ObjectReference", "fieldPath"), 1),
        _column("Source", of("source"), 1),
        _column("Message", of("message")),
        _column("First Seen", of("firstTimestamp"), 1),
        _column("Count", of("count"), 1),
        _name(1),
    )
    return Printer(columns, _event_cells)


def _event_cells(tree: Tree, now: datetime) -> list[Any]:
    first = age(tree.get("firstTimestamp") or tree.get("eventTime"), now)
    last = age(tree.get("lastTimestamp"), now)
    last = first if last == UNKNOWN else last
    count = tree.get("count") or 1
    series = tree.get("series")
    if isinstance(series, dict):
        last, count = age(series.get("lastObservedTime"), now), series.get("count", 0)
    about, source = _at(tree, "involvedObject"), _at(tree, "source")
    target = about.get("kind", "").lower()
    component = source.get("component") or tree.get("reportingComponent") or ""
    instance = source.get("host") or tree.get("reportingInstance") or ""
    return [
        last,
        tree.get("type", ""),
        tree.get("reason", ""),
        f"{target}/{about['name']}" if about.get("name") else target,
        about.get("fieldPath", ""),
        f"{component}, {instance}" if instance else component,
        tree.get("message", "").strip(),
        first,
        count,
        tree["metadata"]["name"],
    ]


@cache
def _pod() -> Printer:
    columns = (
        _name(),
        _column("Ready", "The aggregate readiness state of this pod for accepting traffic."),
        _column("Status", "The aggregate status of the containers in this pod."),
        _column(
            "Restarts",
            "The number of times the containers in this pod have been restarted and when the last "
            "container in this pod has restarted.",
        ),
        _age(),
        _column("IP", (f"{_CORE}.PodStatus", "podIP"), 1),
        _column("Node", (f"{_CORE}.PodSpec", "nodeName"), 1),
        _column("Nominated Node", (f"{_CORE}.PodStatus", "nominatedNodeName"), 1),
        _column("Readiness Gates", (f"{_CORE}.PodSpec", "readinessGates"), 1),
    )
    return Printer(columns, pod_cells, pod_conditions)


def _at(tree: Tree, field: str) -> dict[str, Any]:
    value = tree.get(field)
    return value if isinstance(value, dict) else {}


PRINTERS: dict[tuple[str, str], Callable[[], Printer]] = {
    ("", "configmaps"): _config_map,
    ("", "events"): _event,
    ("", "namespaces"): _namespace,
    ("", "pods"): _pod,
    ("", "secrets"): _secret,
    ("", "serviceaccounts"): _service_account,
    ("apps", "controllerrevisions"): _controller_revision,
    ("coordination.k8s.io", "leases"): _lease,
    ("rbac.authorization.k8s.io", "clusterrolebindings"): _cluster_role_binding,
    ("rbac.authorization.k8s.io", "rolebindings"): _role_binding,
}
