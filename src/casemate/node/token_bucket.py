"""A budget that refills with time; it reads no clock of its own."""

from __future__ import annotations


class TokenBucket:
    """Holds at most `burst` tokens and gains `per_second`."""

    def __init__(self, *, per_second: float, burst: float, now: float) -> None:
        """Start full; `now` reads the monotonic clock that later calls read too."""
        self.per_second = per_second
        self.burst = burst
        self._tokens = burst
        self._counted_at = now

    def available(self, now: float) -> float:
        """Return the tokens there are, never negative."""
        self._tokens += max(now - self._counted_at, 0.0) * self.per_second
        self._tokens = min(self._tokens, self.burst)
        self._counted_at = now
        return max(self._tokens, 0.0)

    def spend(self, tokens: float) -> None:
        """Take tokens; the last spender may overdraw, and the next ones wait for it."""
        self._tokens -= tokens
