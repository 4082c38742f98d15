"""How soon an ended instance starts again: decisions only, no clock and no timer.

Two reasons for a restart, two rules. A crash backs off as the kubelet does. A retirement (a
request ran past its timeout) is not a fault of the instance, so its successor starts at once, but
from a budget: otherwise a Function that times out on every request keeps a core busy starting.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

# The kubelet starts at 10 s because an image pull and a scheduler stand behind it; here a restart
# costs about 0.1 s and a person is waiting for the reload, so one second is slow enough.
RESTART_FIRST_SECONDS = 1.0
# As the kubelet: a Function that never recovers costs one start in five minutes.
RESTART_MAX_SECONDS = 300.0
# As the kubelet: after twice the longest delay without a crash, old crashes are forgotten.
RESTART_RESET_SECONDS = 600.0

# A few requests that time out together must not wait; one start in five seconds is < 3 % of a core.
RETIRE_BURST = 5
RETIRE_REFILL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class RestartBackoff:
    """Crashes in a row, as far as they count for the next delay."""

    crashes: int = 0

    def after_crash(self, *, healthy_seconds: float) -> tuple[RestartBackoff, float]:
        """Return the next state and the seconds to wait: 0, 1, 2, 4 .. 300."""
        earlier = 0 if healthy_seconds >= RESTART_RESET_SECONDS else self.crashes
        delay = 0.0 if earlier == 0 else RESTART_FIRST_SECONDS * 2.0 ** min(earlier - 1, 16)
        return RestartBackoff(crashes=earlier + 1), min(delay, RESTART_MAX_SECONDS)


@dataclass(frozen=True, slots=True)
class RetireThrottle:
    """A token bucket for successors. Times are readings of one monotonic clock."""

    tokens: float = RETIRE_BURST
    counted_at: float = 0.0

    def after_retirement(self, now: float) -> tuple[RetireThrottle, float]:
        """Return the next state and the seconds to wait; 0 while the budget lasts."""
        refilled = self.tokens + max(now - self.counted_at, 0.0) / RETIRE_REFILL_SECONDS
        # The token is taken even when it is not there yet: the caller waits for exactly that one.
        left = min(refilled, RETIRE_BURST) - 1.0
        delay = max(-left, 0.0) * RETIRE_REFILL_SECONDS
        return replace(self, tokens=left, counted_at=now), delay
