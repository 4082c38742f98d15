"""Turns a Python, wherever it was found, into a sealed root that starts quickly.

Compiled modules are stored as "unchecked": Python then reads them without looking at the source's
time, which saves a system call per import and works on a tree that nobody can write to. The result
is started once in a sandbox before it is accepted, so that a missing library shows here and not in
the first Function.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

from casemate.errors import Unsupported
from casemate.node import host_view
from casemate.node.root_view import ReadOnlyMount, RootView, Symlink
from casemate.node.tool_sandbox import ToolRun, run_tool

if TYPE_CHECKING:
    from casemate.node.probe import Probe

_UNCHECKED = 0b01
_HEADER = 16
_PROOF = "import ssl, zlib, hashlib, ctypes, socket, asyncio, json, sys; print(sys.version)"


class UnusableInterpreter(Unsupported):
    """An interpreter does not start inside a sandbox."""

    code = "UnusableInterpreter"


def view_of(tree: Path) -> RootView:
    """Describe an assembled tree as a sandbox's root: two mounts and the links of merged /usr."""
    links = [
        Symlink(f"usr/{name}", f"/{name}")
        for name in ("lib", "lib64", "bin")
        if (tree / "usr" / name).is_dir()
    ]
    mounts = tuple(ReadOnlyMount(str(tree / name), f"/{name}") for name in ("usr", "etc"))
    return RootView(mounts=mounts, symlinks=tuple(links))


def build_python_tree(sysroot: host_view.Sysroot, probe: Probe, tree: Path) -> str:
    """Fill `tree`; returns the program's path inside the sandbox."""
    short = ".".join(probe.version.split(".")[:2])
    if probe.standard_library is None or probe.dynload is None:
        raise UnusableInterpreter(f"python {probe.version} has no standard library")
    program = f"usr/bin/python{short}"
    host_view.install_program(sysroot, probe.program, tree, program)
    modules = host_view.install_standard_library(probe.standard_library, probe.dynload, tree, short)
    host_view.install_libraries(sysroot, [probe.program, *modules], tree)
    host_view.install_surroundings(sysroot, tree)
    (tree / "usr/bin/python3").symlink_to(f"python{short}")
    compile_library(tree, f"/{program}", short)
    return f"/{program}"


def compile_library(tree: Path, program: str, short: str) -> None:
    """Leave one unchecked compiled file beside every module, and prove that Python starts."""
    library = tree / f"usr/lib/python{short}"
    adopt_compiled(library)
    tag = f"cpython-{short.replace('.', '')}"
    missing = any(
        not (path.parent / "__pycache__" / f"{path.stem}.{tag}.pyc").exists()
        for path in library.rglob("*.py")
    )
    inside = f"/usr/lib/python{short}"
    if missing:
        argv = (program, "-I", "-S", "-m", "compileall", "-q", "-j", "0")
        _require(tree, (*argv, "--invalidation-mode", "unchecked-hash", inside), library, inside)
    _require(tree, (program, "-I", "-S", "-c", _PROOF), library, inside)


def _require(tree: Path, argv: tuple[str, ...], library: Path, inside: str) -> None:
    result = run_tool(ToolRun(argv, view_of(tree), writable=((library, inside),)))
    # compileall's exit code counts modules of other syntax; only a start that fails matters here.
    if result.code != 0 and "compileall" not in argv:
        lines = result.stderr.strip().splitlines() or ["no message"]
        raise UnusableInterpreter(
            f"{Path(argv[0]).name} does not start in a sandbox: {lines[-1][:200]}"
        )


def adopt_compiled(library: Path) -> None:
    """Mark compiled files that match their source as unchecked; remove all others."""
    for path in sorted(library.rglob("*.pyc")):
        source = path.parent.parent / f"{path.name.split('.')[0]}.py"
        content = path.read_bytes()
        fresh = path.name.count(".") == 2 and source.exists() and _matches(content, source)  # noqa: PLR2004
        if fresh:
            flags = struct.pack("<I", _UNCHECKED)
            path.write_bytes(content[:4] + flags + bytes(8) + content[_HEADER:])
        else:
            path.unlink()


def _matches(content: bytes, source: Path) -> bool:
    if len(content) < _HEADER:
        return False
    flags, seconds, size = struct.unpack_from("<III", content, 4)
    status = source.stat()
    same_time = seconds == int(status.st_mtime) & 0xFFFFFFFF
    return bool(flags == _UNCHECKED or (flags == 0 and same_time and size == status.st_size))
