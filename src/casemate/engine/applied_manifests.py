"""Manifest files -> objects of the local API: what `casemate run` shows is what the API holds.

The files are applied as a client would apply them, by server-side apply under one manager's name.
What was applied from files and stands in none any more is deleted; objects that others made stay.
A file that says what it said before is not applied again: a save costs what it changes.
"""

from __future__ import annotations

from collections.abc import Iterable

from casemate.api.manifest import ManifestObject, ObjectKey, key_of
from casemate.apiserver.status_error import ApiError
from casemate.engine.api_service import ApiService
from casemate.engine.manifest_files import LoadedManifests
from casemate.errors import InvalidInput

MANAGER = "casemate-run"


class ManifestsRefused(InvalidInput):
    """The API refused objects that parse: a policy, or another manager, has a say."""

    code = "ManifestsRefused"


class AppliedManifests:
    """Keeps the API equal to a set of files."""

    def __init__(self, api: ApiService) -> None:
        self._api = api
        self._held: dict[ObjectKey, ManifestObject] = {}

    async def apply(self, loaded: LoadedManifests) -> None:
        """Make the API hold exactly `loaded`, as far as it came from files.

        Raises ManifestsRefused with every refusal; what was not refused is applied all the same.
        """
        wanted = loaded.in_order()
        await self._namespaces(wanted)
        refused: list[str] = []
        for found in wanted:
            key = key_of(found)
            there = self._api.get(key.kind, key.namespace, key.name) is not None
            if there and self._held.get(key) == found:
                continue
            try:
                await self._api.apply(found.wire(), MANAGER)
            except ApiError as error:
                refused.append(error.message)
            else:
                self._held[key] = found
        for gone in set(self._held) - {key_of(found) for found in wanted}:
            await self._api.delete(gone.kind, gone.namespace, gone.name)
            del self._held[gone]
        if refused:
            raise ManifestsRefused(
                "\n".join(refused), hint="change the manifest, or the policy that speaks about it"
            )

    async def _namespaces(self, wanted: Iterable[ManifestObject]) -> None:
        """Make the namespaces that are named: on a laptop nobody made them before."""
        named = {key_of(found).namespace for found in wanted} - {""}
        for name in sorted(named):
            await self._api.ensure_namespace(name)
