"""What Kubernetes lets a name, a label, an annotation, an environment variable be called.

Each rule is a type to annotate a field with: it refuses with the allowed syntax, and carries the
same rule as a JSON schema for the CRD. The limits are those of apimachinery's validation package.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from casemate.api.violations import broken, shortened

KYMA_GROUP = "serverless.kyma-project.io"
KYMA_PREFIX = f"{KYMA_GROUP}/"
# The renderer sets this one itself; a second writer would turn the mesh's start order around.
RESERVED_ANNOTATION = "proxy.istio.io/config"
LONGEST_LABEL = 63
LONGEST_SUBDOMAIN = 253
LARGEST_ANNOTATIONS = 256 * 1024

_LABEL_1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_LABEL_1123 = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL_1123}(\.{_LABEL_1123})*"
_QUALIFIED = r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
_DATA_KEY = r"[-._a-zA-Z0-9]+"
_ENV_NAME = r"[-._a-zA-Z][-._a-zA-Z0-9]*"

LABEL_WORDS = (
    "at most 63 lower case letters, digits and '-', a letter first, a letter or digit last"
)
_NAMESPACE_WORDS = "at most 63 lower case letters, digits and '-', a letter or digit first and last"
_SUBDOMAIN_WORDS = (
    "at most 253 lower case letters, digits, '-' and '.', a letter or digit first and last"
)
_LABEL_VALUE_WORDS = "at most 63 letters, digits, '-', '_' and '.', a letter or digit at both ends"


def _matches(pattern: str, text: str, longest: int) -> bool:
    # `fullmatch`, never `$`: `$` would let a final newline through.
    return len(text) <= longest and re.fullmatch(pattern, text, re.ASCII) is not None


def is_dns_label(text: str) -> bool:
    """Tell whether `text` can name a Function: RFC 1035, because a Service bears the name."""
    return _matches(_LABEL_1035, text, LONGEST_LABEL)


def is_namespace(text: str) -> bool:
    """Tell whether `text` can name a namespace (RFC 1123 label)."""
    return _matches(_LABEL_1123, text, LONGEST_LABEL)


def is_subdomain(text: str) -> bool:
    """Tell whether `text` can name most other objects (RFC 1123 subdomain)."""
    return _matches(_SUBDOMAIN, text, LONGEST_SUBDOMAIN)


def is_qualified_name(text: str) -> bool:
    """Tell whether `text` can be the key of a label or annotation: [prefix/]name."""
    prefix, slash, name = text.rpartition("/")
    if slash and not is_subdomain(prefix):
        return False
    return _matches(_QUALIFIED, name, LONGEST_LABEL)


def is_label_value(text: str) -> bool:
    """Tell whether `text` can be a label's value; empty is one."""
    return not text or _matches(_QUALIFIED, text, LONGEST_LABEL)


def is_env_name(text: str) -> bool:
    """Tell whether Kubernetes takes `text` as the name of an environment variable."""
    return _matches(_ENV_NAME, text, 4096) and text != "." and not text.startswith("..")


def is_data_key(text: str) -> bool:
    """Tell whether `text` can be a key of a Secret or ConfigMap, and so a file name."""
    return (
        _matches(_DATA_KEY, text, LONGEST_SUBDOMAIN) and text != "." and not text.startswith("..")
    )


def _check_dns_label(text: str) -> str:
    if not is_dns_label(text):
        raise broken("is not a valid name", allowed=LABEL_WORDS)
    return text


def _check_namespace(text: str) -> str:
    if not is_namespace(text):
        raise broken("is not a valid namespace", allowed=_NAMESPACE_WORDS)
    return text


def _check_subdomain(text: str) -> str:
    if not is_subdomain(text):
        raise broken("is not a valid name", allowed=_SUBDOMAIN_WORDS)
    return text


def _check_env_name(text: str) -> str:
    if not is_env_name(text):
        raise broken(
            "is not a valid environment variable name",
            allowed="letters, digits, '_', '-' and '.', no digit first",
        )
    return text


def _check_data_key(text: str) -> str:
    if not is_data_key(text):
        raise broken("is not a valid key", allowed="letters, digits, '-', '_' and '.'")
    return text


def _key_text(key: str) -> str:
    return f'key "{shortened(key)}"'


def _check_labels(labels: dict[str, str]) -> dict[str, str]:
    for key, value in labels.items():
        if not is_qualified_name(key):
            raise broken(f"{_key_text(key)} is not a valid label key", allowed="[prefix/]name")
        if not is_label_value(value):
            raise broken(f"{_key_text(key)} has an invalid value", allowed=_LABEL_VALUE_WORDS)
    return labels


def _check_annotations(annotations: dict[str, str]) -> dict[str, str]:
    for key in annotations:
        if not is_qualified_name(key.lower()):
            raise broken(f"{_key_text(key)} is not a valid annotation key", allowed="[prefix/]name")
    if sum(len(key) + len(value) for key, value in annotations.items()) > LARGEST_ANNOTATIONS:
        raise broken("annotations are too large", allowed="at most 256 KiB in all")
    return annotations


def _check_pod_labels(labels: dict[str, str]) -> dict[str, str]:
    for key in labels:
        if key.startswith(KYMA_PREFIX):
            raise broken(f"{_key_text(key)} uses the reserved prefix {KYMA_PREFIX}")
        if len(key) > LONGEST_LABEL:
            raise broken(f"{_key_text(key)} is too long", allowed="at most 63 characters")
    return _check_labels(labels)


def _check_pod_annotations(annotations: dict[str, str]) -> dict[str, str]:
    for key in annotations:
        if key.startswith(KYMA_PREFIX):
            raise broken(f"{_key_text(key)} uses the reserved prefix {KYMA_PREFIX}")
        if key == RESERVED_ANNOTATION:
            raise broken(f"{_key_text(key)} is reserved")
    return _check_annotations(annotations)


def _schema(pattern: str, longest: int) -> dict[str, int | str]:
    return {"pattern": f"^{pattern}$", "maxLength": longest}


DnsLabel = Annotated[
    str,
    AfterValidator(_check_dns_label),
    Field(json_schema_extra=_schema(_LABEL_1035, LONGEST_LABEL)),
]
NamespaceName = Annotated[
    str,
    AfterValidator(_check_namespace),
    Field(json_schema_extra=_schema(_LABEL_1123, LONGEST_LABEL)),
]
Subdomain = Annotated[
    str,
    AfterValidator(_check_subdomain),
    Field(json_schema_extra=_schema(_SUBDOMAIN, LONGEST_SUBDOMAIN)),
]
EnvName = Annotated[
    str,
    AfterValidator(_check_env_name),
    Field(json_schema_extra=_schema(_ENV_NAME, 4096)),
]
DataKey = Annotated[
    str,
    AfterValidator(_check_data_key),
    Field(json_schema_extra=_schema(_DATA_KEY, LONGEST_SUBDOMAIN)),
]
Labels = Annotated[dict[str, str], AfterValidator(_check_labels)]
Annotations = Annotated[dict[str, str], AfterValidator(_check_annotations)]
PodLabels = Annotated[dict[str, str], AfterValidator(_check_pod_labels)]
PodAnnotations = Annotated[dict[str, str], AfterValidator(_check_pod_annotations)]
