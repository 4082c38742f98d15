"""One refresh for all who ask at the same time: each returns after a run that began after its call.

Without it 10,000 Functions that are announced at once would each publish a table of 10,000 rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from casemate import clock

# A storm of changes leaves a third of the time to this work; a single change waits for nothing.
_REST_PER_RUN = 2.0
_LONGEST_REST_SECONDS = 0.5


class SharedRefresh:
    """Call it to have `work` done; at most one run is under way and one is waiting."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self._running = asyncio.Lock()
        self._next: asyncio.Task[None] | None = None
        self._rested_at = 0.0

    async def __call__(self) -> None:
        """Return when a run that began after this call has ended; raises what it raised."""
        if self._next is None:
            self._next = asyncio.create_task(self._run())
        # A caller that is cancelled must not end it for the others.
        await asyncio.shield(self._next)

    async def _run(self) -> None:
        async with self._running:
            await asyncio.sleep(self._rested_at - clock.monotonic_seconds())
            # From here on the work reads its input: who comes later needs another run.
            self._next = None
            began = clock.monotonic_seconds()
            try:
                await self._work()
            finally:
                ended = clock.monotonic_seconds()
                rest = min((ended - began) * _REST_PER_RUN, _LONGEST_REST_SECONDS)
                self._rested_at = ended + rest
