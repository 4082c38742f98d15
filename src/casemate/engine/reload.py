"""Files change on disk -> the engine runs what they say now.

A file with violations changes nothing: what ran keeps running, and the answer names every
violation. Editors write in several steps, so a change is read when it has been quiet for a moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from watchfiles import awatch

from casemate.engine.manifest_files import STDIN, LoadedManifests, load_manifests
from casemate.errors import CasemateError

# Together well below the 300 ms between a save and the new code: most of that is its start.
_QUIET_MS = 30
_STEP_MS = 10


async def follow_changes(
    paths: Sequence[Path],
    apply: Callable[[LoadedManifests], Awaitable[None]],
    tell: Callable[[CasemateError | None], None],
) -> None:
    """Apply the paths' objects after each change until cancelled; `tell` hears each outcome."""
    watched = [path for path in paths if str(path) != STDIN]
    if not watched:
        return
    async for _ in awatch(*watched, debounce=_QUIET_MS, step=_STEP_MS, recursive=True):
        try:
            await apply(await asyncio.to_thread(load_manifests, paths))
        except CasemateError as error:
            tell(error)
        else:
            tell(None)
