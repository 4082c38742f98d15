"""Where a Function's Pod keeps what, and which paths of it a manifest may mount over.

The paths are the same in the local sandbox and on Kubernetes. A user's mount over one of ours, or
over the system's, would replace what the interpreter, the runtime or the checks rely on.
"""

from __future__ import annotations

import posixpath

FUNCTION_DIR = "/app/function"
PYTHON_PACKAGES_DIR = "/app/packages"
NODE_PACKAGES_DIR = "/app/node_modules"
RUNTIME_DIR = "/opt/casemate/runtime"
TMP_DIR = "/tmp"  # noqa: S108  # the sandbox's own tmpfs, not the host's

_RESERVED: dict[str, str] = {
    "/app": "it holds the Function's source and packages",
    "/opt/casemate": "it holds the runtime",
    "/node_modules": "it holds the runtime's libraries",
    TMP_DIR: "it is the Function's scratch space",
    "/proc": "it belongs to the kernel",
    "/sys": "it belongs to the kernel",
    "/dev": "it belongs to the kernel",
    "/run": "it holds sockets of the platform",
    "/var/run": "it holds sockets of the platform",
    "/bin": "it belongs to the image",
    "/boot": "it belongs to the image",
    "/etc": "it belongs to the image",
    "/lib": "it belongs to the image",
    "/lib32": "it belongs to the image",
    "/lib64": "it belongs to the image",
    "/root": "it belongs to the image",
    "/sbin": "it belongs to the image",
    "/usr": "it belongs to the image",
}
LONGEST_PATH = 1024


def _covers(directory: str, path: str) -> bool:
    return path == directory or path.startswith(f"{directory}/")


def refused_mount_path(path: str) -> str | None:
    """Return why nothing may be mounted at `path`, or None when it may."""
    reason = _refused_syntax(path)
    if reason is not None:
        return reason
    # ATTACK: "//app" is a path of its own to POSIX, and normpath keeps it; to Linux it is /app.
    # tests/unit/api/test_paths.py::test_a_reserved_path_is_refused_with_the_reason
    normal = "/" + posixpath.normpath(path).lstrip("/")
    if normal == "/":
        return "it is the root of the file system"
    for directory, why in _RESERVED.items():
        # A mount above one of ours hides it just as well as a mount below changes it.
        if _covers(directory, normal) or _covers(normal, directory):
            return f"{directory} is reserved: {why}"
    return None


def _refused_syntax(path: str) -> str | None:
    if not path.startswith("/"):
        return "it is not absolute"
    if len(path) > LONGEST_PATH:
        return f"it is longer than {LONGEST_PATH} characters"
    if ":" in path or not path.isprintable():
        return "it holds a ':' or an unprintable character"
    if any(part in {".", ".."} for part in path.split("/")):
        return "it holds '.' or '..'"
    return None
