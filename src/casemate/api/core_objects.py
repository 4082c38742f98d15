"""The core/v1 objects that may stand beside a Function in one file: minimal, and discreet.

A Secret's values are decoded nowhere here and are kept out of `repr`; who needs them reads `data`.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from casemate.api.meta import ObjectMeta
from casemate.api.names import DataKey, NamespaceName
from casemate.api.violations import broken
from casemate.api.workload import WireModel

LARGEST_DATA_BYTES = 1024 * 1024


def _check_base64(values: dict[str, str]) -> dict[str, str]:
    for key, value in values.items():
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise broken(
                f'value of key "{key}" is not base64',
                hint="write the text itself under stringData",
            ) from None
    return values


Base64Map = Annotated[dict[DataKey, str], AfterValidator(_check_base64)]


class Secret(WireModel):
    """core/v1 Secret."""

    api_version: Literal["v1"]
    kind: Literal["Secret"]
    metadata: ObjectMeta
    type: str | None = None
    immutable: bool | None = None
    data: Base64Map | None = Field(default=None, repr=False)
    string_data: dict[DataKey, str] | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        _check_size(self.data, self.string_data)
        return self

    def values(self) -> dict[str, bytes]:
        """Return the decoded values by key; stringData wins, as it does on a cluster."""
        decoded = {key: base64.b64decode(value) for key, value in (self.data or {}).items()}
        return decoded | {key: text.encode() for key, text in (self.string_data or {}).items()}


class ConfigMap(WireModel):
    """core/v1 ConfigMap."""

    api_version: Literal["v1"]
    kind: Literal["ConfigMap"]
    metadata: ObjectMeta
    immutable: bool | None = None
    data: dict[DataKey, str] | None = Field(default=None, repr=False)
    binary_data: Base64Map | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        _check_size(self.data, self.binary_data)
        return self


class ServiceAccount(WireModel):
    """core/v1 ServiceAccount; it may exist, a Function never gets its token."""

    api_version: Literal["v1"]
    kind: Literal["ServiceAccount"]
    metadata: ObjectMeta
    automount_service_account_token: bool | None = None


class NamespaceMeta(ObjectMeta):
    """Metadata of a namespace."""

    name: NamespaceName
    namespace: None = None


class Namespace(WireModel):
    """core/v1 Namespace."""

    api_version: Literal["v1"]
    kind: Literal["Namespace"]
    metadata: NamespaceMeta


def _check_size(*maps: dict[str, str] | None) -> None:
    size = sum(len(key) + len(value) for values in maps for key, value in (values or {}).items())
    if size > LARGEST_DATA_BYTES:
        raise broken("data is too large", allowed=f"at most {LARGEST_DATA_BYTES} bytes in all")
