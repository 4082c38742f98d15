"""What the renderer is told besides the manifest: the installation's decisions, as one value.

Everything that could make two renderings differ is in here or in the Function; the renderer reads
nothing else. Whoever builds a policy has resolved images, digests and settings before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from casemate.api.presets import DEFAULT_PRESET, PRESETS, Preset
from casemate.security.relaxations import NEVER_ON_LOCAL_NODE

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class PeerLabels:
    """Pods of the platform, by the labels of their namespace and their own."""

    namespace: str
    pod_labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RenderPolicy:
    """The decisions about one Function. Its defaults loosen nothing."""

    # The image of the Function's runtime, pinned by digest where the installation knows it.
    runtime_image: str
    # `sha256:` and 64 hex digits: the digest of the source tree.
    source_digest: str
    # The paths of the files in that tree.
    source_files: tuple[str, ...]
    # The digest of the dependency layer; None when the Function has no dependencies.
    layer_digest: str | None = None
    # Fields that this Function may loosen, as a FunctionPolicy names them.
    allowed_relaxations: frozenset[str] = frozenset()
    # Kyma's behaviour for those who move over: every loosening is let through, and reported.
    allow_every_relaxation: bool = False
    # Fields that stay as they are whatever a policy says: the engine could not honour them.
    never_relaxed: frozenset[str] = NEVER_ON_LOCAL_NODE
    presets: Mapping[str, Preset] = field(default_factory=lambda: MappingProxyType(dict(PRESETS)))
    default_preset: str = DEFAULT_PRESET
    timeout_seconds: int = 180
    drain_seconds: int = 30
    ephemeral_storage_request: str = "64Mi"
    ephemeral_storage_limit: str = "512Mi"
    tmp_size_limit: str = "256Mi"
    tracing_endpoint: str = ""
    eventing_endpoint: str = ""
    log_format: str = "json"
    gateway: PeerLabels = PeerLabels(
        "casemate-system", (("app.kubernetes.io/name", "casemate-gateway"),)
    )
    egress_proxy: PeerLabels = PeerLabels(
        "casemate-system", (("app.kubernetes.io/name", "casemate-egress"),)
    )
