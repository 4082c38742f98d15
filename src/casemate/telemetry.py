"""Structured logs of our own processes: lines of JSON, or readable text on a terminal.

Configured once by a process's entry point; structlog is imported then and not before, because the
command line starts more often than it logs. Callers pass facts as fields, never tokens, source or
secret values, and never text of a Function as part of the event's name.
"""

from __future__ import annotations

import sys
from typing import Any, Literal

LogFormat = Literal["json", "text"]


def configure(log_format: LogFormat, *, level: str = "info") -> None:
    """Send logs of this process to stderr, in the given form."""
    import structlog  # noqa: PLC0415  # 40 ms that only processes that log should pay

    renderer: Any = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def logger(part: str) -> Any:
    """Return the logger of one part of the program."""
    import structlog  # noqa: PLC0415  # as above

    return structlog.get_logger(part=part)
