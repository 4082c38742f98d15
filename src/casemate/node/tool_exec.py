"""Runs as a script: joins its cgroups, takes limits, gives up root, becomes the sandbox builder.

Started by `tool_sandbox` with one JSON argument and an environment that is already the tool's. It
exists because a threaded parent must not run code between fork and exec.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from typing import Any

_LIMITS = {
    "cpu_seconds": resource.RLIMIT_CPU,
    "file_bytes": resource.RLIMIT_FSIZE,
    "open_files": resource.RLIMIT_NOFILE,
    "data_bytes": resource.RLIMIT_DATA,
    "core_bytes": resource.RLIMIT_CORE,
}


def become_tool(order: dict[str, Any]) -> None:
    """Apply the order and execute; returns only by raising OSError."""
    # First: everything after this is counted and bounded.
    for path in order["join_files"]:
        with open(path, "w", encoding="ascii") as file:  # noqa: PTH123  # the kernel's file
            file.write("0")
    for name, value in order["limits"].items():
        _, hard = resource.getrlimit(_LIMITS[name])
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(_LIMITS[name], (bound, bound))
    os.umask(0o022)
    paths: dict[str, str] = order["paths"]
    # A script finds its own directory first in sys.path; -I takes even that away.
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    import tool_network  # type: ignore[import-not-found]  # noqa: PLC0415  # beside this script

    door = order["door"]
    if order["uid"] is not None:
        paths = _staged(paths)
        if door is not None and tool_network.leave_host_network():
            tool_network.hand_over_door(door)
            door = None
        # ATTACK: a resolver or a package with a hole must not be root, nor own any of root's files.
        # tests/unit/node/test_tool_sandbox.py::test_a_tool_is_nobody_on_the_host
        os.setgroups([])
        os.setresgid(order["uid"], order["uid"], order["uid"])
        os.setresuid(order["uid"], order["uid"], order["uid"])
    if door is not None:
        tool_network.leave_host_network_as_user()
        tool_network.hand_over_door(door)
    argv = [paths[word["path"]] if isinstance(word, dict) else word for word in order["argv"]]
    os.execv(paths[order["program"]], argv)  # noqa: S606  # no shell is the point


def _staged(paths: dict[str, str]) -> dict[str, str]:
    import private_mounts  # type: ignore[import-not-found]  # noqa: PLC0415  # as above

    return private_mounts.stage(paths) or paths


if __name__ == "__main__":
    try:
        become_tool(json.loads(sys.argv[1]))
    except OSError as error:
        # In the builder's voice: whoever reads it need not know which of the two failed.
        sys.exit(f"bwrap: {error}")
