"""What is sent back: a whole body, or a stream of parts; and the four forms of objects.

Lists are joined from the stored bytes: a list of 10,000 is neither decoded nor encoded again unless
somebody may only see a part of each object.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from casemate.apiserver.negotiation import Form
from casemate.apiserver.reads import Page
from casemate.apiserver.resource import Resource, Tree
from casemate.apiserver.status_error import ApiError
from casemate.apiserver.store.objects import StoredObject
from casemate.apiserver.tables import table

View = Callable[[Tree], Tree]
"""An object -> what this caller may see of it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. Exactly one of `body` and `stream` carries content."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    stream: AsyncIterator[bytes] | None = field(default=None, repr=False)


def encoded(tree: Any) -> bytes:
    """Return compact JSON."""
    return json.dumps(tree, separators=(",", ":"), ensure_ascii=False).encode()


def tree_reply(tree: Tree, status: int = 200, warnings: Iterable[str] = ()) -> Reply:
    """Answer with any JSON."""
    return Reply(status, encoded(tree), headers=_warning_headers(warnings))


def error_reply(error: ApiError) -> Reply:
    """Answer with a Status."""
    headers: tuple[tuple[str, str], ...] = ()
    if error.retry_after_seconds is not None:
        headers = (("retry-after", str(error.retry_after_seconds)),)
    return Reply(error.status, encoded(error.wire()), headers=headers)


@dataclass(frozen=True, slots=True)
class Presentation:
    """How one caller gets objects of one resource."""

    resource: Resource
    form: Form
    now: str
    include_object: str = "Metadata"
    view: View | None = None

    def one(self, tree: Tree, status: int = 200, warnings: Iterable[str] = ()) -> Reply:
        """Answer with one object."""
        seen = self.view(tree) if self.view else tree
        shape = self._shaped(seen)
        if self.form is Form.YAML:
            text = yaml.safe_dump(shape, sort_keys=False).encode()
            return Reply(status, text, "application/yaml", _warning_headers(warnings))
        return tree_reply(shape, status, warnings)

    def page(self, page: Page) -> Reply:
        """Answer with a list."""
        metadata: Tree = {"resourceVersion": str(page.resource_version)}
        if page.continue_token:
            metadata["continue"] = page.continue_token
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
        if self.form is Form.OBJECT and self.view is None:
            return Reply(200, self._joined(page.items, metadata))
        trees = [self.view(one.tree()) if self.view else one.tree() for one in page.items]
        if self.form is Form.TABLE:
            return tree_reply(self._table(trees, metadata))
        return self._listed(trees, metadata)

    def event_object(self, stored: StoredObject, *, first: bool) -> bytes:
        """Return the `object` of a watch event."""
        if self.form is Form.OBJECT and self.view is None:
            return stored.body
        tree = self.view(stored.tree()) if self.view else stored.tree()
        if self.form is not Form.TABLE:
            return encoded(self._shaped(tree))
        rows = self._table([tree], {"resourceVersion": str(stored.resource_version)})
        if not first:
            # Columns do not change while a watch lasts; clients keep those of the first event.
            rows["columnDefinitions"] = None
        return encoded(rows)

    def _shaped(self, tree: Tree) -> Tree:
        if self.form is Form.TABLE:
            version = (tree.get("metadata") or {}).get("resourceVersion", "")
            return self._table([tree], {"resourceVersion": version})
        return _partial(tree) if self.form is Form.PARTIAL else tree

    def _listed(self, trees: list[Tree], metadata: Tree) -> Reply:
        kind, version = self.resource.list_kind, self.resource.api_version
        if self.form is Form.PARTIAL:
            trees = [_partial(tree) for tree in trees]
            kind, version = "PartialObjectMetadataList", "meta.k8s.io/v1"
        shape = {"kind": kind, "apiVersion": version, "metadata": metadata, "items": trees}
        if self.form is Form.YAML:
            return Reply(200, yaml.safe_dump(shape, sort_keys=False).encode(), "application/yaml")
        return tree_reply(shape)

    def _joined(self, items: Sequence[StoredObject], metadata: Tree) -> bytes:
        head = encoded({
            "kind": self.resource.list_kind,
            "apiVersion": self.resource.api_version,
            "metadata": metadata,
        })  # fmt: skip
        bodies = b",".join(self._item(one) for one in items)
        return b"".join((head[:-1], b',"items":[', bodies, b"]}\n"))

    def _item(self, stored: StoredObject) -> bytes:
        """Kubernetes' own kinds are named by the list alone, those of definitions in each item."""
        if self.resource.model is not None:
            return stored.body
        head = (
            f'{{"apiVersion":"{self.resource.api_version}","kind":"{self.resource.kind}",'.encode()
        )
        if stored.body.startswith(head):
            return b"{" + stored.body[len(head) :]
        tree = stored.tree()
        return encoded({key: tree[key] for key in tree if key not in {"kind", "apiVersion"}})

    def _table(self, trees: list[Tree], metadata: Tree) -> Tree:
        return table(
            self.resource, trees, list_metadata=metadata, include_object=self.include_object,
            now=self.now,
        )  # fmt: skip


def _partial(tree: Tree) -> Tree:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": tree.get("metadata", {}),
    }


def _warning_headers(warnings: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Write RFC 7234 warnings as Kubernetes does: code 299, no agent."""
    return tuple(("warning", f"299 - {json.dumps(text)}") for text in warnings)
