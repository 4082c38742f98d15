"""Function, serverless.kyma-project.io/v1alpha2: every field of Kyma's kind, and our optional ones.

A Function that exists has passed every rule that one field, or one object below `spec`, can break;
rules across fields are in `casemate.api.rules`, and `casemate.api.manifest` runs both.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from casemate.api.access import Access
from casemate.api.catalogue import RETIRED, RUNTIMES, Runtime, RuntimeName
from casemate.api.cel import cel, map_list
from casemate.api.conditions import Condition
from casemate.api.env import RESERVED_PREFIX_RULE, RESERVED_RULE, FunctionEnvVar
from casemate.api.meta import FunctionRef, ObjectMeta
from casemate.api.names import (
    KYMA_PREFIX,
    RESERVED_ANNOTATION,
    DnsLabel,
    PodAnnotations,
    PodLabels,
    Subdomain,
)
from casemate.api.paths import refused_mount_path
from casemate.api.resources import ResourceConfiguration
from casemate.api.source import Source
from casemate.api.violations import broken
from casemate.api.workload import PodSecurityContext, SecurityContext, WireModel

LONGEST_TIMEOUT_SECONDS = 3600
MOST_REPLICAS = 1000
MOST_CONCURRENCY = 1000
DEFAULT_TIMEOUT_SECONDS = 180
DEFAULT_CONCURRENCY = 20


def _check_runtime(name: str) -> str:
    if name not in RUNTIMES:
        hint = f'it is retired, use "{RETIRED[name]}" or later' if name in RETIRED else ""
        raise broken("runtime does not exist", allowed=", ".join(sorted(RUNTIMES)), hint=hint)
    return name


def _check_mount_path(path: str) -> str:
    reason = refused_mount_path(path)
    if reason is not None:
        raise broken(
            f"nothing can be mounted there: {reason}",
            allowed="an absolute path of your own, such as /secrets/NAME",
        )
    return path


def _check_image(image: str) -> str:
    if not image.isascii() or not image.isprintable() or " " in image or image.startswith("-"):
        raise broken("is not an image reference", allowed="registry/repository[:tag][@sha256:...]")
    return image


class FunctionMeta(ObjectMeta):
    """Metadata of a Function: its Service has the same name, so it is a DNS label."""

    name: DnsLabel


class SecretMount(WireModel):
    """A Secret as files of the Function's container."""

    secret_name: Subdomain
    mount_path: Annotated[str, AfterValidator(_check_mount_path)] = Field(min_length=1)


class ScaleConfig(WireModel):
    """Kyma's deprecated bounds of replicas; read as scaling.min and scaling.max."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            ("self.minReplicas <= self.maxReplicas", "minReplicas is at most maxReplicas")
        )
    )

    min_replicas: int = Field(ge=1, le=MOST_REPLICAS)
    max_replicas: int = Field(ge=1, le=MOST_REPLICAS)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise broken("minReplicas exceeds maxReplicas", allowed="minReplicas <= maxReplicas")
        return self


class Scaling(WireModel):
    """How many instances there are, and how many requests one serves at a time."""

    model_config = ConfigDict(json_schema_extra=cel(("self.min <= self.max", "min is at most max")))

    min: int = Field(default=0, ge=0, le=MOST_REPLICAS)
    max: int = Field(default=10, ge=1, le=MOST_REPLICAS)
    concurrency: int = Field(default=DEFAULT_CONCURRENCY, ge=1, le=MOST_CONCURRENCY)
    idle_seconds: int = Field(default=300, ge=1, le=86_400)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise broken("min exceeds max", allowed="min <= max")
        return self


class Template(WireModel):
    """Kyma's removed field; kept so that a manifest that fills it gets the reason."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            ("!has(self.labels) && !has(self.annotations)", "use spec.labels and spec.annotations")
        )
    )

    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None

    @model_validator(mode="after")
    def _refused(self) -> Self:
        if self.labels is not None or self.annotations is not None:
            raise broken(
                "template is not supported",
                hint="set spec.labels and spec.annotations, they go to the Function's Pods",
            )
        return self


_NO_KYMA_KEY = f"!self.exists(e, e.startsWith('{KYMA_PREFIX}'))"
_LABEL_RULES = cel(
    (_NO_KYMA_KEY, f"keys that start with {KYMA_PREFIX} are reserved"),
    ("self.all(e, size(e) < 64)", "a label key has at most 63 characters"),
)
_ANNOTATION_RULES = cel(
    (_NO_KYMA_KEY, f"keys that start with {KYMA_PREFIX} are reserved"),
    (f"!('{RESERVED_ANNOTATION}' in self)", f"{RESERVED_ANNOTATION} is reserved"),
)


class FunctionSpec(WireModel):
    """What is wanted."""

    runtime: Annotated[
        str,
        AfterValidator(_check_runtime),
        Field(json_schema_extra={"enum": list(RuntimeName.__args__)}),
    ]
    source: Source
    runtime_image_override: Annotated[str, AfterValidator(_check_image)] | None = None
    env: tuple[FunctionEnvVar, ...] | None = Field(
        default=None,
        max_length=500,
        json_schema_extra=map_list("name", RESERVED_RULE, RESERVED_PREFIX_RULE),
    )
    resource_configuration: ResourceConfiguration | None = None
    scale_config: ScaleConfig | None = None
    scaling: Scaling | None = None
    replicas: int | None = Field(default=None, ge=0, le=MOST_REPLICAS)
    timeout_seconds: int | None = Field(default=None, ge=1, le=LONGEST_TIMEOUT_SECONDS)
    access: Access | None = None
    template: Template | None = None
    secret_mounts: tuple[SecretMount, ...] | None = Field(
        default=None,
        max_length=100,
        json_schema_extra=map_list("secretName"),
    )
    labels: PodLabels | None = Field(default=None, json_schema_extra=_LABEL_RULES)
    annotations: PodAnnotations | None = Field(default=None, json_schema_extra=_ANNOTATION_RULES)
    container_security_context: SecurityContext | None = None
    pod_security_context: PodSecurityContext | None = None


class FunctionAddress(WireModel):
    """Where a Function is called, and the audience that a token for it must name."""

    url: str
    audience: str


class FunctionRevision(WireModel):
    """What exactly runs: each part by digest."""

    name: str
    source_digest: str
    lock_digest: str | None = None
    runtime_image_digest: str | None = None
    template_digest: str | None = None


class GitRepositoryStatus(WireModel):
    """Which commit was fetched."""

    url: str
    base_dir: str | None = None
    reference: str | None = None
    commit: str | None = None


class FunctionStatus(WireModel):
    """What is observed. The fields down to `buildResourceProfile` are Kyma's."""

    observed_generation: int | None = None
    runtime: str | None = None
    runtime_image: str | None = None
    runtime_image_override: str | None = None
    replicas: int | None = None
    pod_selector: str | None = None
    function_resource_profile: str | None = None
    function_annotations: dict[str, str] | None = None
    container_security_context: SecurityContext | None = None
    pod_security_context: PodSecurityContext | None = None
    conditions: tuple[Condition, ...] | None = Field(
        default=None,
        json_schema_extra=map_list("type"),
    )
    commit: str | None = None
    base_dir: str | None = None
    reference: str | None = None
    git_repository: GitRepositoryStatus | None = None
    build_resource_profile: str | None = None
    address: FunctionAddress | None = None
    revision: FunctionRevision | None = None
    ready_replicas: int | None = None
    relaxed_fields: tuple[str, ...] | None = None


class Function(WireModel):
    """A few lines of code with an HTTP address."""

    api_version: Literal["serverless.kyma-project.io/v1alpha2"]
    kind: Literal["Function"]
    metadata: FunctionMeta
    spec: FunctionSpec
    status: FunctionStatus | None = None

    @property
    def ref(self) -> FunctionRef:
        """Return the Function's identity."""
        return FunctionRef(self.metadata.namespace_or_default, self.metadata.name)

    @property
    def runtime(self) -> Runtime:
        """Return the catalogue's row for the Function's runtime."""
        return RUNTIMES[self.spec.runtime]
