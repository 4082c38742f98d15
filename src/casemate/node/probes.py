"""Asks an instance whether it is well, by the template's probes, over its metrics socket.

Kubernetes' meaning of period, timeout and thresholds, with two differences that only make it
faster: the runtime's own `ready` word triggers the first question, so that a start is not rounded
up to a period; and where readiness and liveness ask the same, one question answers both. The
answer comes from inside the sandbox: one status line of bounded length is read, nothing else.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from casemate.api.workload import Container, Probe

# Used where a template has no startup probe: longer than any honest import, shorter than patience.
DEFAULT_START_SECONDS = 60.0
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r]")
_MAX_HEAD_BYTES = 4 * 1024
_WELL = range(200, 400)
# Start retries double from here up to the period: 20 ms is below what a person notices.
_FIRST_RETRY_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class ProbeRule:
    """One probe of a template, in seconds, with the API's defaults filled in."""

    path: str = "/healthz"
    initial_delay_seconds: float = 0.0
    period_seconds: float = 10.0
    timeout_seconds: float = 1.0
    success_threshold: int = 1
    failure_threshold: int = 3

    @classmethod
    def of(cls, probe: Probe) -> ProbeRule:
        """Take the rule out of a template's probe."""
        return cls(
            path=probe.http_get.path,
            initial_delay_seconds=probe.initial_delay_seconds or 0.0,
            period_seconds=probe.period_seconds,
            timeout_seconds=probe.timeout_seconds,
            success_threshold=probe.success_threshold,
            failure_threshold=probe.failure_threshold,
        )


@dataclass(frozen=True, slots=True)
class ProbeRules:
    """The probes of one container."""

    startup: ProbeRule | None = None
    readiness: ProbeRule | None = None
    liveness: ProbeRule | None = None

    @classmethod
    def of(cls, container: Container) -> ProbeRules:
        """Take the rules out of a template's container."""

        def rule(probe: Probe | None) -> ProbeRule | None:
            return None if probe is None else ProbeRule.of(probe)

        return cls(
            startup=rule(container.startup_probe),
            readiness=rule(container.readiness_probe),
            liveness=rule(container.liveness_probe),
        )

    @property
    def start_seconds(self) -> float:
        """How long an instance may take to become ready for the first time."""
        startup = self.startup
        if startup is None:
            return DEFAULT_START_SECONDS
        attempts = startup.period_seconds * startup.failure_threshold
        return startup.initial_delay_seconds + attempts


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """One question's outcome; `detail` is ours, never the sandbox's text."""

    ok: bool
    detail: str


class ProbeRole(Enum):
    """What an opinion is good for."""

    STARTUP = "startup"
    READINESS = "readiness"
    LIVENESS = "liveness"


@dataclass(slots=True)
class ProbeTally:
    """Turns answers into a steady opinion: it changes only after enough equal answers in a row."""

    role: ProbeRole
    rule: ProbeRule
    healthy: bool
    _opposing: int = field(default=0, init=False)

    def count(self, *, ok: bool) -> bool:
        """Count one answer; tell whether the opinion changed with it."""
        if ok == self.healthy:
            self._opposing = 0
            return False
        self._opposing += 1
        threshold = self.rule.success_threshold if ok else self.rule.failure_threshold
        if self._opposing < threshold:
            return False
        self.healthy, self._opposing = ok, 0
        return True


async def ask(socket_path: Path, rule: ProbeRule) -> ProbeAnswer:
    """Send one GET and judge its status line, as the kubelet does: 200..399 is well."""
    try:
        async with asyncio.timeout(rule.timeout_seconds):
            head = await _status_line(socket_path, rule.path)
    except TimeoutError:
        return ProbeAnswer(ok=False, detail=f"no answer in {rule.timeout_seconds:g} s")
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return ProbeAnswer(ok=False, detail="the connection broke")
    match = _STATUS_LINE.match(head)
    if match is None:
        return ProbeAnswer(ok=False, detail="the answer is not HTTP")
    status = int(match.group(1))
    return ProbeAnswer(ok=status in _WELL, detail=f"status {status}")


async def _status_line(socket_path: Path, path: str) -> bytes:
    reader, writer = await asyncio.open_unix_connection(socket_path, limit=_MAX_HEAD_BYTES)
    try:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        writer.write(request.encode("ascii", "replace"))
        return await reader.readuntil(b"\n")
    finally:
        # Not closed but aborted: a sandbox that never reads to the end holds nothing of ours.
        writer.transport.abort()


class InstanceProbes:
    """Watches one instance from its start to its end; cancel `run` to stop."""

    def __init__(
        self,
        rules: ProbeRules,
        socket_path: Path,
        *,
        on_readiness: Callable[[bool, str], None],
        on_dead: Callable[[str], None],
    ) -> None:
        """`on_readiness` hears every change of opinion, `on_dead` that liveness is lost."""
        self._rules = rules
        self._path = socket_path
        self._on_readiness = on_readiness
        self._on_dead = on_dead
        self._announced = asyncio.Event()

    def announce_ready(self) -> None:
        """The runtime says that it accepts requests: worth asking now."""
        self._announced.set()

    async def run(self) -> None:
        """Wait for the start to succeed, then keep watching until cancelled or dead."""
        await self._announced.wait()
        await self._until_started()
        self._on_readiness(True, "")  # noqa: FBT003  # the callback's one meaning
        groups = _grouped(self._rules)
        if groups:
            async with asyncio.TaskGroup() as tasks:
                for tallies in groups:
                    tasks.create_task(self._watch(tallies))

    async def _until_started(self) -> None:
        rule = self._rules.startup or self._rules.readiness or ProbeRule()
        tally = ProbeTally(ProbeRole.STARTUP, rule, healthy=False)
        retry = _FIRST_RETRY_SECONDS
        # No count of failures: the worker ends an instance that is not ready by its deadline.
        while not tally.count(ok=(await ask(self._path, rule)).ok):
            await asyncio.sleep(min(retry, rule.period_seconds))
            retry *= 2

    async def _watch(self, tallies: Sequence[ProbeTally]) -> None:
        rule = tallies[0].rule
        # Spread by socket, so that a hundred Functions started together are not asked together.
        spread = zlib.crc32(str(self._path).encode()) / 2**32
        await asyncio.sleep(rule.initial_delay_seconds + rule.period_seconds * spread)
        while True:
            answer = await ask(self._path, rule)
            for tally in tallies:
                if tally.count(ok=answer.ok) and self._tell(tally, answer):
                    return
            await asyncio.sleep(rule.period_seconds)

    def _tell(self, tally: ProbeTally, answer: ProbeAnswer) -> bool:
        """Report a change; true when there is nothing left to watch."""
        if tally.role is ProbeRole.READINESS:
            detail = "" if answer.ok else f"readiness probe failed: {answer.detail}"
            self._on_readiness(answer.ok, detail)
            return False
        self._on_dead(
            f"liveness probe failed {tally.rule.failure_threshold} times: {answer.detail}"
        )
        return True


def _grouped(rules: ProbeRules) -> list[list[ProbeTally]]:
    """Put probes that ask the same question at the same pace together."""
    groups: dict[tuple[object, ...], list[ProbeTally]] = {}
    for role, rule in (
        (ProbeRole.READINESS, rules.readiness),
        (ProbeRole.LIVENESS, rules.liveness),
    ):
        if rule is not None:
            key = (rule.path, rule.period_seconds, rule.timeout_seconds, rule.initial_delay_seconds)
            groups.setdefault(key, []).append(ProbeTally(role, rule, healthy=True))
    return list(groups.values())
