"""What Kubernetes lets `metadata` hold, in Kubernetes' words; pure.

Source: k8s.io/apimachinery v0.36, pkg/api/validation and pkg/api/validate/content.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from casemate.api.names import LARGEST_ANNOTATIONS
from casemate.apiserver.object_meta import FOREGROUND, ORPHAN
from casemate.apiserver.patch.typed_schema import OBJECT_META
from casemate.apiserver.resource import Resource, Tree
from casemate.apiserver.schema_rules import (
    invalid_value,
    required,
    schema_causes,
    too_long,
)
from casemate.apiserver.status_error import Cause

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_DATA_KEY = "[-._a-zA-Z0-9]+"
_LONGEST_LABEL, _LONGEST_SUBDOMAIN = 63, 253
_KEY_WORDS = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character"
)
_RBAC = "rbac.authorization.k8s.io"

NameRule = Callable[[str], list[str]]


def metadata_causes(resource: Resource, metadata: Any) -> Iterator[Cause]:
    """Yield every rule that an object's metadata breaks."""
    if not isinstance(metadata, dict):
        yield from schema_causes(OBJECT_META, metadata, "metadata")
        return
    wrong = list(schema_causes(OBJECT_META, metadata, "metadata"))
    if wrong:
        yield from wrong
        return
    rule = _name_rule(resource)
    base = metadata.get("generateName")
    if base:
        # Something is appended to it: what may not stand at the end of a name may stand here.
        sample = base[:-1] + "a" if base.endswith("-") else base
        for why in rule(sample):
            yield invalid_value("metadata.generateName", base, why)
    name = metadata.get("name")
    if not name:
        yield required("metadata.name", "name or generateName is required")
    else:
        for why in rule(name):
            yield invalid_value("metadata.name", name, why)
    yield from _labels(metadata.get("labels") or {})
    yield from _annotations(metadata.get("annotations") or {})
    yield from _owners(metadata.get("ownerReferences") or [])
    yield from _finalizers(metadata.get("finalizers") or [])


def metadata_update_causes(old: Tree, new: Tree) -> Iterator[Cause]:
    """Yield what an update may not do to metadata; the server's own fields are kept elsewhere."""
    before, after = old.get("metadata") or {}, new.get("metadata") or {}
    if before.get("deletionTimestamp"):
        held = set(before.get("finalizers") or ())
        added = sorted(set(after.get("finalizers") or ()) - held)
        if added:
            listed = "[]string{" + ", ".join(f'"{name}"' for name in added) + "}"
            text = (
                "Forbidden: no new finalizers can be added if the object is being deleted, found "
                f"new finalizers {listed}"
            )
            yield Cause("FieldValueForbidden", text, "metadata.finalizers")


def subdomain_faults(text: str) -> list[str]:
    """Return why a text is no DNS-1123 subdomain."""
    faults = []
    if len(text.encode()) > _LONGEST_SUBDOMAIN:
        faults.append(f"must be no more than {_LONGEST_SUBDOMAIN} bytes")
    if not _is(_SUBDOMAIN, text):
        faults.append(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
            "'-' or '.', and must start and end with an alphanumeric character (e.g. "
            f"'example.com', regex used for validation is '{_SUBDOMAIN}')"
        )
    return faults


def label_faults(text: str) -> list[str]:
    """Return why a text is no DNS-1123 label."""
    faults = []
    if len(text.encode()) > _LONGEST_LABEL:
        faults.append(f"must be no more than {_LONGEST_LABEL} bytes")
    if not _is(_LABEL, text):
        faults.append(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or "
            "'-', and must start and end with an alphanumeric character (e.g. 'my-name',  or "
            f"'123-abc', regex used for validation is '{_LABEL}')"
        )
    return faults


def data_key_faults(text: str) -> list[str]:
    """Return why a text cannot be a key of a ConfigMap or Secret."""
    faults = []
    if len(text.encode()) > _LONGEST_SUBDOMAIN:
        faults.append(f"must be no more than {_LONGEST_SUBDOMAIN} bytes")
    if not _is(_DATA_KEY, text):
        faults.append(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
            f"'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
            f"'{_DATA_KEY}')"
        )
    if text in {".", ".."}:
        faults.append(f"must not be '{text}'")
    elif text.startswith(".."):
        faults.append("must not start with '..'")
    return faults


def _segment_faults(text: str) -> list[str]:
    """Return why a text cannot be one segment of a path: the rule of RBAC's names."""
    if text in {".", ".."}:
        return [f"may not be '{text}'"]
    return [f"may not contain '{letter}'" for letter in "/%" if letter in text]


def _name_rule(resource: Resource) -> NameRule:
    if resource.group == _RBAC:
        return _segment_faults
    if (resource.group, resource.plural) == ("", "namespaces"):
        return label_faults
    return subdomain_faults


def _qualified_faults(text: str) -> list[str]:
    parts = text.split("/")
    example = (
        f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_KEY}')"
    )
    if len(parts) > 2:  # noqa: PLR2004
        prefixed = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a valid label key {_KEY_WORDS} {example} {prefixed}"]
    faults: list[str] = []
    if len(parts) == 2:  # noqa: PLR2004
        prefix = subdomain_faults(parts[0]) if parts[0] else ["must be non-empty"]
        faults.extend(f"prefix part {fault}" for fault in prefix)
    name = parts[-1]
    if not name:
        faults.append("name part must be non-empty")
    elif len(name.encode()) > _LONGEST_LABEL:
        faults.append(f"name part must be no more than {_LONGEST_LABEL} bytes")
    if not _is(_KEY, name):
        faults.append(f"name part {_KEY_WORDS} {example}")
    return faults


def _labels(labels: dict[str, str]) -> Iterator[Cause]:
    for key, value in labels.items():
        for fault in _qualified_faults(key):
            yield invalid_value("metadata.labels", key, fault)
        if len(value.encode()) > _LONGEST_LABEL:
            why = f"must be no more than {_LONGEST_LABEL} bytes"
            yield invalid_value("metadata.labels", value, why)
        if value and not _is(_KEY, value):
            why = (
                "a valid label must be an empty string or consist of alphanumeric characters, '-', "
                "'_' or '.', and must start and end with an alphanumeric character (e.g. "
                f"'MyValue',  or 'my_value',  or '12345', regex used for validation is '({_KEY})?')"
            )
            yield invalid_value("metadata.labels", value, why)


def _annotations(annotations: dict[str, str]) -> Iterator[Cause]:
    for key in annotations:
        for fault in _qualified_faults(key.lower()):
            yield invalid_value("metadata.annotations", key, fault)
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > LARGEST_ANNOTATIONS:
        yield too_long("metadata.annotations", LARGEST_ANNOTATIONS)


def _owners(owners: list[Tree]) -> Iterator[Cause]:
    controllers: list[str] = []
    for index, owner in enumerate(owners):
        path = f"metadata.ownerReferences[{index}]"
        version = str(owner.get("apiVersion") or "").rpartition("/")[2]
        if not version:
            why = "version must not be empty"
            yield invalid_value(f"{path}.apiVersion", owner.get("apiVersion") or "", why)
        for field in ("kind", "name", "uid"):
            if not owner.get(field):
                yield invalid_value(f"{path}.{field}", "", "must not be empty")
        if owner.get("apiVersion") == "v1" and owner.get("kind") == "Event":
            why = "/v1, Kind=Event is disallowed from being an owner"
            yield invalid_value(path, owner, why)
        if owner.get("controller"):
            controllers.append(f"{owner.get('kind')}/{owner.get('name')}")
            if len(controllers) > 1:
                why = (
                    'Only one reference can have Controller set to true. Found "true" in '
                    f"references for {controllers[0]} and {controllers[-1]}"
                )
                yield invalid_value("metadata.ownerReferences", owners, why)


def _finalizers(finalizers: list[str]) -> Iterator[Cause]:
    for name in finalizers:
        for fault in _qualified_faults(name):
            yield invalid_value("metadata.finalizers", name, fault)
    if {FOREGROUND, ORPHAN} <= set(finalizers):
        why = f"finalizer {ORPHAN} and {FOREGROUND} cannot be both set"
        yield invalid_value("metadata.finalizers", finalizers, why)


def _is(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text, re.ASCII) is not None
