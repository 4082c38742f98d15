"""Serverless: the settings of one installation, operator.kyma-project.io/v1alpha1.

Kyma's fields are accepted under their names. Ours decide what is refused, and their defaults are
the strict side: an installation without any setting denies relaxations and enforces access.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from casemate.api.cel import map_list
from casemate.api.conditions import Condition
from casemate.api.meta import ObjectMeta
from casemate.api.names import DnsLabel
from casemate.api.presets import ProfileName
from casemate.api.quantity import Quantity
from casemate.api.violations import broken
from casemate.api.workload import WireModel


def _check_https(url: str) -> str:
    # A key set fetched over plain HTTP is whatever the network says it is.
    if not url.startswith("https://") or not url.isprintable() or " " in url:
        raise broken("is not an https URL", allowed="https://...")
    return url


def _check_endpoint(url: str) -> str:
    if url and (not url.startswith(("http://", "https://")) or " " in url):
        raise broken("is not a URL", allowed="http(s)://..., or empty to switch it off")
    return url


HttpsUrl = Annotated[str, AfterValidator(_check_https)]
EndpointUrl = Annotated[str, AfterValidator(_check_endpoint)]
# Kyma writes its numbers as text.
NumberText = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}$")]
Duration = Annotated[str, Field(pattern=r"^([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+$", max_length=40)]


class Endpoint(WireModel):
    """A URL that Functions are told to use; empty switches the feature off."""

    endpoint: EndpointUrl


class DockerRegistry(WireModel):
    """Kyma's former image registry: accepted, without effect."""

    enable_internal: bool | None = None
    secret_name: str | None = None


class SecuritySettings(WireModel):
    """What happens to a manifest that loosens a hardened default."""

    relaxations: Literal["deny", "warn"] = "deny"
    default_policy: DnsLabel | None = None


class AccessSettings(WireModel):
    """Whether default deny is enforced, or only reported while an installation moves over."""

    mode: Literal["enforce", "observe"] = "enforce"


class IdentityIssuer(WireModel):
    """An identity provider whose tokens are accepted."""

    name: DnsLabel
    issuer: HttpsUrl
    jwks_uri: HttpsUrl | None = None
    audiences: tuple[str, ...] = Field(min_length=1)
    algorithms: tuple[Literal["ES256", "ES384", "EdDSA", "RS256", "PS256"], ...] = ("ES256",)


class IdentitySettings(WireModel):
    """Where tokens come from."""

    issuer: HttpsUrl | None = None
    issuers: tuple[IdentityIssuer, ...] = Field(default=(), json_schema_extra=map_list("name"))
    token_lifetime_seconds: int = Field(default=600, ge=30, le=600)


class PresetAmounts(WireModel):
    """One preset's own values."""

    request_cpu: Quantity
    request_memory: Quantity
    limit_cpu: Quantity
    limit_memory: Quantity


class ServerlessSpec(WireModel):
    """All settings; each is optional."""

    tracing: Endpoint | None = None
    eventing: Endpoint | None = None
    docker_registry: DockerRegistry | None = None
    target_cpu_utilization_percentage: str | None = Field(
        default=None, alias="targetCPUUtilizationPercentage"
    )
    function_requeue_duration: Duration | None = None
    function_build_executor_args: str | None = None
    function_build_max_simultaneous_jobs: str | None = None
    healthz_liveness_timeout: str | None = None
    function_request_body_limit_mb: NumberText | None = None
    function_timeout_sec: NumberText | None = None
    default_build_job_preset: str | None = None
    default_runtime_pod_preset: ProfileName | None = None
    log_level: Literal["debug", "info", "warn", "error", "fatal"] | None = None
    log_format: Literal["json", "text", "console"] | None = None
    enable_network_policies: bool | None = None
    security: SecuritySettings = SecuritySettings()
    access: AccessSettings = AccessSettings()
    identity: IdentitySettings = IdentitySettings()
    presets: dict[ProfileName, PresetAmounts] | None = None


class ServerlessStatus(WireModel):
    """What is observed; the fields are Kyma's."""

    state: Literal["Ready", "Processing", "Warning", "Error", "Deleting"] | None = None
    served: Literal["True", "False"] | None = None
    conditions: tuple[Condition, ...] | None = Field(
        default=None, json_schema_extra=map_list("type")
    )
    eventing_endpoint: str | None = None
    tracing_endpoint: str | None = None
    docker_registry: str | None = None
    target_cpu_utilization_percentage: str | None = Field(
        default=None, alias="targetCPUUtilizationPercentage"
    )
    function_requeue_duration: str | None = None
    function_build_executor_args: str | None = None
    function_build_max_simultaneous_jobs: str | None = None
    healthz_liveness_timeout: str | None = None
    function_request_body_limit_mb: str | None = None
    function_timeout_sec: str | None = None
    default_build_job_preset: str | None = None
    default_runtime_pod_preset: str | None = None
    log_level: str | None = None
    log_format: str | None = None


class Serverless(WireModel):
    """The installation's settings object."""

    api_version: Literal["operator.kyma-project.io/v1alpha1"]
    kind: Literal["Serverless"]
    metadata: ObjectMeta
    spec: ServerlessSpec = ServerlessSpec()
    status: ServerlessStatus | None = None
