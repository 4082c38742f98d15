"""Objects -> YAML text, byte for byte the same for equal objects.

Key order is the types' order, which reads as Kubernetes' own examples do; empty lists and objects
are left out, but for those whose emptiness says something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casemate.api.workload import WireModel

# `egress: []` says "nothing"; an absent one says it less plainly.
_KEPT_EMPTY = {"ingress", "egress", "matchLabels", "podSelector", "namespaceSelector", "emptyDir"}


class _IndentedDumper(yaml.SafeDumper):
    """Indents lists below their key, and repeats nothing by alias."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002, ARG002  # PyYAML's signature
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def without_empty(value: Any) -> Any:
    """Return a JSON value without empty lists and objects."""
    if isinstance(value, list):
        return [without_empty(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: without_empty(item) for key, item in value.items()}
    return {key: item for key, item in kept.items() if key in _KEPT_EMPTY or item not in ([], {})}


def yaml_text(documents: Iterable[Any]) -> str:
    """Write JSON values as a YAML stream."""
    return yaml.dump_all(
        documents,
        Dumper=_IndentedDumper,
        sort_keys=False,
        explicit_start=True,
        width=100,
        allow_unicode=True,
    )


def render_yaml(objects: Iterable[WireModel]) -> str:
    """Write objects as a YAML stream."""
    return yaml_text(without_empty(rendered.wire()) for rendered in objects)
