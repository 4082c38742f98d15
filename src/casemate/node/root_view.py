"""What a sandbox sees as its root: host paths to mount, links, and small generated files.

Owned here are only the values that pass from "where an interpreter comes from" to "how a sandbox
is put together". Nothing is opened or run: a host path is a name, and the launcher opens it before
it gives up its rights. A target that could leave the root is refused when the value is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from casemate.errors import Internal


def _require_inside(path: str) -> None:
    """Refuse a sandbox path that is relative, is the root, or climbs."""
    if not path.startswith("/") or path == "/" or ".." in PurePosixPath(path).parts:
        raise Internal(f"sandbox path {path!r} is not an absolute path below the root")


@dataclass(frozen=True)
class ReadOnlyMount:
    """A host file or directory (`source`) that appears read-only at `target` in the sandbox."""

    source: str
    target: str

    def __post_init__(self) -> None:
        """Check the target: it becomes an argument of the sandbox's builder."""
        _require_inside(self.target)


@dataclass(frozen=True)
class Symlink:
    """A symbolic link made in the sandbox: `link_path` points at `target`."""

    target: str
    link_path: str

    def __post_init__(self) -> None:
        """Check where the link is made; where it points is bounded by the sandbox's root."""
        _require_inside(self.link_path)


@dataclass(frozen=True)
class GeneratedFile:
    """A small read-only file whose content we write, such as /etc/passwd."""

    path: str
    content: str
    mode: int = 0o444

    def __post_init__(self) -> None:
        """Check the path: it becomes an argument of the sandbox's builder."""
        _require_inside(self.path)


@dataclass(frozen=True)
class RootView:
    """Everything visible below `/` before the Function's own mounts, /proc, /dev and /tmp."""

    mounts: tuple[ReadOnlyMount, ...] = ()
    symlinks: tuple[Symlink, ...] = ()
    files: tuple[GeneratedFile, ...] = ()


@dataclass(frozen=True)
class Interpreter:
    """One interpreter, ready to be started inside a sandbox whose root is `root`."""

    runtime: str
    """The runtime's name in the catalogue, such as `python312`."""
    version: str
    """The full version that the interpreter itself reported."""
    executable: str
    """Path inside the sandbox."""
    root: RootView
    origin: str
    """Where it was found, for people: `pyenv`, `uv`, `path`, `debian trixie`, `npm`, `image`."""
    digest: str
    """`sha256:` over everything in the root view, so that a changed interpreter is a new one."""

    @property
    def is_foreign(self) -> bool:
        """Tell whether it came in an image: what it had a hand in may not be shared."""
        return self.origin == "image"
