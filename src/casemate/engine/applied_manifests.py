"""Manifest files -> objects of the local API: what `casemate run` shows is what the API holds.

The files are applied as a client would apply them, by server-side apply under one manager's name.
What was applied from files and stands in none any more is deleted; objects that others made stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from casemate.api.manifest import ManifestObject, ObjectKey, key_of
from casemate.api.meta import FunctionRef
from casemate.engine.api_service import ApiService
from casemate.engine.manifest_files import LoadedManifests

MANAGER = "casemate-run"
# A Function refers to the others: they come first, so that it is made once and not twice.
_ORDER = ("Namespace", "Serverless", "FunctionPolicy", "Secret", "ConfigMap", "ServiceAccount",
          "FunctionSource", "Function")  # fmt: skip


class AppliedManifests:
    """Keeps the API equal to a set of files."""

    def __init__(self, api: ApiService) -> None:
        self._api = api
        self._held: set[ObjectKey] = set()
        self.folders: Mapping[FunctionRef, Path] = {}
        """Functions whose code is a whole folder."""

    async def apply(self, loaded: LoadedManifests) -> None:
        """Make the API hold exactly `loaded`, as far as it came from files. Raises ApiError."""
        self.folders = dict(loaded.folders)
        wanted = sorted(loaded.objects, key=lambda one: _ORDER.index(one.kind))
        await self._namespaces(wanted)
        held = set()
        for found in wanted:
            await self._api.apply(found.wire(), MANAGER)
            held.add(key_of(found))
        for gone in self._held - held:
            await self._api.delete(gone.kind, gone.namespace, gone.name)
        self._held = held

    async def _namespaces(self, wanted: Iterable[ManifestObject]) -> None:
        """Make the namespaces that are named: on a laptop nobody made them before."""
        named = {key_of(found).namespace for found in wanted} - {""}
        for name in sorted(named):
            await self._api.ensure_namespace(name)
