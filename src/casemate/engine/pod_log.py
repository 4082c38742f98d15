"""`pods/log`: what a Function's sandbox wrote, from the files and, when followed, as it comes.

Foreign text: control characters are made visible before a byte leaves, because the reader is as a
rule a terminal. Lines are the records that the node kept, so what it redacts is redacted here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass

from casemate import clock
from casemate.apiserver.call import Call
from casemate.apiserver.reply import Reply
from casemate.apiserver.resource import Resource
from casemate.apiserver.status_error import ApiError, Subject, bad_request, not_found
from casemate.apiserver.write_options import flag, whole_number
from casemate.engine.pod_view import PodView
from casemate.node.foreign_text import terminal_safe
from casemate.node.log_files import LogStore
from casemate.node.log_hub import Follower, LogHub
from casemate.node.log_records import LogRecord
from casemate.render.pod_template import CONTAINER_NAME

# As much as rotation keeps of an ordinary Function.
MOST_LINES = 100_000
# Between a line's way to its followers and its way to the disk lies one thread.
_SETTLE_SECONDS = 0.05
_LOOK_SECONDS = 1.0
_OVERLAP = 4096


@dataclass(frozen=True, slots=True)
class LogOptions:
    """core/v1 PodLogOptions."""

    follow: bool
    previous: bool
    timestamps: bool
    tail_lines: int | None
    limit_bytes: int | None
    since: str
    """Log time; an empty text is the beginning."""


class PodLog:
    """Answers the log subresource of Pods."""

    def __init__(self, pods: PodView, store: LogStore, hub: LogHub) -> None:
        self._pods = pods
        self._store = store
        self._hub = hub

    async def door(self, call: Call, resource: Resource) -> Reply:
        """Answer GET. Raises ApiError."""
        namespace, pod = call.asked.namespace, call.asked.name
        ref = self._pods.function_of(namespace, pod)
        if ref is None:
            raise not_found(Subject(resource.group, resource.plural, pod))
        options = log_options(call.query, pod)
        follower = self._hub.follow(namespace=namespace, function=ref.name)
        try:
            if options.follow:
                await asyncio.sleep(_SETTLE_SECONDS)
            read = await asyncio.to_thread(self._store.tail, namespace, ref.name, limit=MOST_LINES)
        except BaseException:
            follower.close()
            raise
        chosen = _chosen(read, options, pod)
        if not options.follow:
            follower.close()
            lines = (_line(record, options) for record in chosen)
            return Reply(200, _limited(lines, options.limit_bytes), "text/plain")
        known = frozenset(read[-_OVERLAP:])

        async def stream() -> AsyncIterator[bytes]:
            left = options.limit_bytes
            try:
                async for record in self._following(chosen, known, (namespace, pod), follower):
                    line = _line(record, options)
                    line = line if left is None else line[:left]
                    yield line
                    if left is not None:
                        left -= len(line)
                        if left <= 0:
                            return
            finally:
                follower.close()

        return Reply(200, content_type="text/plain", stream=stream())

    async def _following(
        self,
        chosen: Iterable[LogRecord],
        known: frozenset[LogRecord],
        pod: tuple[str, str],
        follower: Follower,
    ) -> AsyncIterator[LogRecord]:
        for record in chosen:
            yield record
        while True:
            try:
                followed = await asyncio.wait_for(anext(follower), _LOOK_SECONDS)
            except TimeoutError:
                if self._pods.function_of(*pod) is None:
                    return
                continue
            except StopAsyncIteration:
                return
            if followed.record not in known:
                yield followed.record


def log_options(query: Mapping[str, str], pod: str) -> LogOptions:
    """Read the options of a log request. Raises ApiError 400."""
    container = query.get("container", "")
    if container not in {"", CONTAINER_NAME}:
        raise bad_request(f"container {container} is not valid for pod {pod}")
    since, seconds = query.get("sinceTime", ""), whole_number(query, "sinceSeconds")
    if since and seconds is not None:
        raise bad_request("at most one of `sinceTime` or `sinceSeconds` may be specified")
    if seconds is not None:
        since = clock.rfc3339(clock.from_seconds(clock.now_seconds() - seconds))
    limit = whole_number(query, "limitBytes")
    if limit == 0:
        raise bad_request("limitBytes must be greater than 0")
    return LogOptions(
        flag(query, "follow"),
        flag(query, "previous"),
        flag(query, "timestamps"),
        whole_number(query, "tailLines"),
        limit,
        since.removesuffix("Z"),
    )


def _chosen(read: list[LogRecord], options: LogOptions, pod: str) -> list[LogRecord]:
    """Select the records of one instance. Raises ApiError 400 when there was no previous one."""
    instances = list(dict.fromkeys(record.instance for record in read))
    if options.previous:
        if len(instances) < 2:  # noqa: PLR2004  # the current one and one before
            raise ApiError(
                400,
                "BadRequest",
                f'previous terminated container "{CONTAINER_NAME}" in pod "{pod}" not found',
            )
        wanted = instances[-2]
        read = [record for record in read if record.instance == wanted]
    elif instances:
        read = [record for record in read if record.instance == instances[-1]]
    if options.since:
        read = [record for record in read if record.time >= options.since]
    if options.tail_lines is not None:
        read = read[max(0, len(read) - options.tail_lines) :]
    return read


def _line(record: LogRecord, options: LogOptions) -> bytes:
    text = terminal_safe(record.message)
    prefix = f"{record.time} " if options.timestamps else ""
    return f"{prefix}{text}\n".encode()


def _limited(lines: Iterable[bytes], limit: int | None) -> bytes:
    whole = b"".join(lines)
    return whole if limit is None else whole[:limit]


__all__ = ["PodLog", "log_options"]
