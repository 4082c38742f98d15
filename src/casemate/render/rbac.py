"""The Function's identity inside the cluster: a ServiceAccount that has no rights and no token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casemate.api.cluster_objects import RenderedServiceAccount
from casemate.render.labels import object_meta

if TYPE_CHECKING:
    from casemate.api.function import Function


def render_service_account(function: Function) -> RenderedServiceAccount:
    """Describe the ServiceAccount; no Role is ever bound to it."""
    return RenderedServiceAccount(metadata=object_meta(function))
