"""The environment of one instance, read once at start.

Kyma's names keep their meaning; where its two Python servers differ, both names are read. A value
that cannot be understood stops the start: a limit that silently fell back would be no limit.
"""

from __future__ import annotations

import os
import sys

# Kyma's defaults.
TIMEOUT_SECONDS = 180.0
BODY_LIMIT_BYTES = 100 * 1024 * 1024
PUBLISHER_ADDRESS = "http://eventing-publisher-proxy.kyma-system.svc.cluster.local/publish"

CONCURRENCY = 20
# Threads beside the gateway's pool: probes and direct callers are not kept waiting, and one thread
# is always there to read.
SPARE_THREADS = 44
DRAIN_SECONDS = 30.0

# The first version whose handler takes no arguments.
FIRST_PLAIN_VERSION = (3, 14)


class InvalidSetting(Exception):
    """A variable holds something else than its kind of value."""


class Settings:
    """Values of one instance; never changed after start."""

    def __init__(self, environ: os._Environ[str] | dict[str, str]) -> None:
        self.function_dir = environ.get("CASEMATE_FUNCTION_DIR", "/app/function")
        self.packages_dir = environ.get("CASEMATE_PACKAGES_DIR", "/app/packages")
        self.module_name = _first(environ, "MOD_NAME", "HANDLER_MOD_NAME") or "handler"
        self.handler_name = _first(environ, "FUNC_HANDLER", "HANDLER_FUNC_NAME") or "main"
        self.function_name = environ.get("FUNC_NAME", "")
        self.namespace = environ.get("SERVICE_NAMESPACE", "")
        self.runtime = environ.get("FUNC_RUNTIME") or f"python3{sys.version_info[1]}"
        self.memory_limit = environ.get("FUNC_MEMORY_LIMIT")
        self.timeout_seconds = _number(environ, "FUNC_TIMEOUT", TIMEOUT_SECONDS)
        self.drain_seconds = _number(environ, "FUNC_DRAIN_SECONDS", DRAIN_SECONDS)
        self.body_limit_bytes = _body_limit(environ)
        self.concurrency = int(_number(environ, "CASEMATE_CONCURRENCY", CONCURRENCY))
        self.port = int(_number(environ, "FUNC_PORT", 8080))
        self.metrics_port = int(_number(environ, "CASEMATE_METRICS_PORT", 8081))
        self.listen_fd = _descriptor(environ, "CASEMATE_LISTEN_FD")
        self.metrics_fd = _descriptor(environ, "CASEMATE_METRICS_FD")
        self.control_fd = _descriptor(environ, "CASEMATE_CONTROL_FD")
        self.json_logs = environ.get("CASEMATE_LOG_FORMAT", "text") == "json"
        self.trace_endpoint = environ.get("TRACE_COLLECTOR_ENDPOINT", "")
        self.publisher_address = environ.get("PUBLISHER_PROXY_ADDRESS") or PUBLISHER_ADDRESS

    @property
    def plain_handler(self) -> bool:
        """Whether the handler is `main()` with `flask.request`, not `main(event, context)`."""
        digits = self.runtime.removeprefix("python3")
        version = (3, int(digits)) if digits.isdigit() else tuple(sys.version_info[:2])
        return version >= FIRST_PLAIN_VERSION

    @property
    def thread_limit(self) -> int:
        """How many handlers may run at once; threads are made when they are needed."""
        return self.concurrency + SPARE_THREADS


def _first(environ: os._Environ[str] | dict[str, str], *names: str) -> str | None:
    return next((environ[name] for name in names if environ.get(name)), None)


def _number(environ: os._Environ[str] | dict[str, str], name: str, default: float) -> float:
    text = environ.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise InvalidSetting(f"{name} must be a number") from None
    if not 0 < value < float("inf"):
        raise InvalidSetting(f"{name} must be a number above 0")
    return value


def _descriptor(environ: os._Environ[str] | dict[str, str], name: str) -> int | None:
    text = environ.get(name)
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise InvalidSetting(f"{name} must be a descriptor number")
    return int(text)


def _body_limit(environ: os._Environ[str] | dict[str, str]) -> int:
    """Take the smallest of the limits that are set, in bytes."""
    megabyte = 1024 * 1024
    limits = [
        _number(environ, "FUNC_MEMFILE_MAX", BODY_LIMIT_BYTES),
        _number(environ, "FUNC_BODY_MB_LIMIT", BODY_LIMIT_BYTES / megabyte) * megabyte,
        _number(environ, "REQ_MB_LIMIT", BODY_LIMIT_BYTES / megabyte) * megabyte,
    ]
    return int(min(limits))
