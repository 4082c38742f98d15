"""Environment variables that a manifest sets: their names, and which names are not the user's.

Reserved names are Kyma's list, and every name that the runtime's contract with the node uses.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from casemate.api.names import DataKey, EnvName, Subdomain
from casemate.api.violations import broken
from casemate.api.workload import EnvVar, EnvVarSource, KeySelector

KYMA_RESERVED_NAMES = (
    "FUNC_RUNTIME",
    "FUNC_HANDLER",
    "FUNC_PORT",
    "FUNC_HANDLER_SOURCE",
    "FUNC_HANDLER_DEPENDENCIES",
    "MOD_NAME",
    "NODE_PATH",
    "PYTHONPATH",
    "HANDLER_FUNC_NAME",
    "HANDLER_MOD_NAME",
)
# The descriptors and switches that the node hands to the runtime.
RESERVED_PREFIX = "CASEMATE_"

RESERVED_RULE = (
    f"self.all(e, !(e.name in {list(KYMA_RESERVED_NAMES)}))",
    f"reserved names cannot be used: {', '.join(KYMA_RESERVED_NAMES)}",
)
RESERVED_PREFIX_RULE = (
    f"self.all(e, !e.name.startsWith('{RESERVED_PREFIX}'))",
    f"names that start with {RESERVED_PREFIX} cannot be used",
)


def _check_not_reserved(name: str) -> str:
    if name in KYMA_RESERVED_NAMES or name.startswith(RESERVED_PREFIX):
        reserved = ", ".join((*KYMA_RESERVED_NAMES, f"{RESERVED_PREFIX}*"))
        raise broken("name is reserved for the runtime", allowed=f"any name but {reserved}")
    return name


class DataKeySelector(KeySelector):
    """One key of a Secret or ConfigMap, named validly."""

    name: Subdomain
    key: DataKey


class FunctionEnvVarSource(EnvVarSource):
    """Where a value comes from; exactly one source is set."""

    secret_key_ref: DataKeySelector | None = None
    config_map_key_ref: DataKeySelector | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        names = type(self).model_fields
        if sum(getattr(self, name) is not None for name in names) != 1:
            raise broken(
                "must set exactly one source", allowed="secretKeyRef | configMapKeyRef | fieldRef"
            )
        return self


class FunctionEnvVar(EnvVar):
    """One variable of spec.env. Its value may be a credential, so it is kept out of `repr`."""

    name: Annotated[EnvName, AfterValidator(_check_not_reserved)]
    value: str | None = Field(default=None, repr=False)
    value_from: FunctionEnvVarSource | None = None

    @model_validator(mode="after")
    def _value_or_source(self) -> Self:
        if self.value and self.value_from is not None:
            raise broken("must not set both value and valueFrom", allowed="value | valueFrom")
        return self


def env_value(variables: tuple[EnvVar, ...] | None, name: str) -> str | None:
    """Return the literal value that a manifest gives `name`; None when it gives none."""
    for variable in reversed(variables or ()):
        if variable.name == name and variable.value_from is None:
            return variable.value or None
    return None
