"""What the default Pod template promises, beside what a Function saw of it from inside; pure.

The promises are written out here and not read from the plan, so that a plan that promises less
fails the tour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MAX_TMP_BYTES = 256 * 1024 * 1024
_MAX_OPEN_FILES = 1_000_000
_SCRATCH = "/tmp"  # noqa: S108  # inside the sandbox
# What the runtime contract, Kyma and the image put there; anything else came from the host.
_ALLOWED_VARIABLES = (
    "FUNC_", "CASEMATE_", "SERVICE_NAMESPACE", "MOD_NAME", "REQ_MB_LIMIT", "PATH", "HOME", "LANG",
    "LC_CTYPE", "PWD", "PYTHON", "TRACE_COLLECTOR_ENDPOINT", "PUBLISHER_PROXY_ADDRESS",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Promise:
    """One row of the tour."""

    what: str
    promised: str
    seen: str
    kept: bool


def promises(seen: Mapping[str, Any]) -> tuple[Promise, ...]:
    """Judge the reply of the `look-inside` example."""
    capabilities = {int(value, 16) for value in seen["capabilities"].values()}
    foreign = [name for name in seen["environment"] if not name.startswith(_ALLOWED_VARIABLES)]
    writable = [path for path in seen["writableMounts"] if path not in (_SCRATCH, "/proc")]
    writable = [path for path in writable if not path.startswith(("/dev/", "/proc/"))]
    return (
        _exactly("user and group", "1000:1000", f"{seen['uid']}:{seen['gid']}"),
        _row("capabilities", "none in any set", "none" if capabilities == {0} else "some"),
        _exactly("no_new_privs", "1", seen["noNewPrivs"]),
        _exactly("seccomp", "2 (filter)", f"{seen['seccomp']} (filter)"),
        Promise(
            "processes",
            "only its own",
            f"{len(seen['processes'])} visible",
            len(seen["processes"]) <= 4,  # noqa: PLR2004  # bwrap's init, the server, room for a fork
        ),
        Promise(
            "writable mounts",
            f"{_SCRATCH} alone",
            ", ".join(writable) or f"{_SCRATCH} alone",
            not writable,
        ),
        _refused("write to /", seen["writeToRoot"]),
        _refused("write to its code", seen["writeToCode"]),
        _exactly("write to /tmp", "written", seen["writeToTmp"]),
        Promise(
            "size of /tmp",
            "at most 256 MiB",
            f"{seen['tmpBytes'] // (1024 * 1024)} MiB",
            0 < seen["tmpBytes"] <= _MAX_TMP_BYTES,
        ),
        _exactly("interfaces", "lo", ", ".join(seen["interfaces"])),
        _refused("connect to 192.0.2.1", seen["connectOut"]),
        _exactly("core dumps", "0", str(seen["core"])),
        Promise(
            "open files",
            "bounded",
            str(seen["openFiles"]),
            0 < seen["openFiles"] < _MAX_OPEN_FILES,
        ),
        Promise(
            "environment",
            "the contract's names alone",
            ", ".join(foreign) or f"{len(seen['environment'])} names, none from the host",
            not foreign,
        ),
    )


def _exactly(what: str, promised: str, seen: str) -> Promise:
    return Promise(what, promised, seen, promised == seen)


def _row(what: str, promised: str, seen: str) -> Promise:
    return Promise(what, promised, seen, seen == "none")


def _refused(what: str, seen: str) -> Promise:
    return Promise(what, "refused", seen, seen not in ("written", "connected"))
