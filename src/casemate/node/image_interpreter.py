"""The interpreter that an image brings, asked inside a sandbox before any Function is given to it.

A name on the image's PATH proves nothing: the program is started with no network and no file of the
host, and must say that it is the version that the runtime means.
"""

from __future__ import annotations

from casemate.api.catalogue import RUNTIMES, Language, Runtime
from casemate.errors import InvalidInput
from casemate.node.images import ImportedImage
from casemate.node.root_view import Interpreter
from casemate.node.runtime_errors import safe_reason
from casemate.node.tool_sandbox import NoToolSandbox, ToolRun, ToolTimeout, run_tool

_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
_SECONDS = 20
_LONGEST_REASON = 200
_PYTHON_QUESTION = "import platform, ssl, socket, ctypes; print(platform.python_version())"


class ContractProbeFailed(InvalidInput):
    """An image does not bring what the runtime needs."""

    code = "ContractProbeFailed"


def probe_image(image: ImportedImage, runtime: str) -> Interpreter:
    """Return the image's interpreter for `runtime`; raises ContractProbeFailed."""
    row = RUNTIMES[runtime]
    said = []
    for program in _candidates(image, row):
        question = ToolRun(_question(program, row), image.root, timeout_seconds=_SECONDS)
        try:
            result = run_tool(question)
        except (NoToolSandbox, ToolTimeout):
            # No such program in this image, or one that does not answer.
            continue
        version = result.stdout.strip().removeprefix("v")
        if result.code == 0 and version.startswith(f"{row.version}."):
            return Interpreter(runtime, version, program, image.root, "image", image.digest)
        if result.code == 0:
            said.append(f"{program} is {safe_reason(version, _LONGEST_REASON)}")
    found = "; ".join(dict.fromkeys(said)) or "no interpreter starts in it"
    raise ContractProbeFailed(
        f"image {image.digest[:19]} brings no {row.interpreter} {row.version}: {found}",
        hint=f"build the image on one with {row.interpreter} {row.version}, or change the runtime",
    )


def _candidates(image: ImportedImage, row: Runtime) -> tuple[str, ...]:
    path = dict(image.environment).get("PATH") or _DEFAULT_PATH
    exact = (f"python{row.version}",) if row.language is Language.PYTHON else ()
    folders = [folder for folder in path.split(":") if folder.startswith("/")]
    return tuple(
        f"{folder.rstrip('/')}/{name}" for name in (*exact, row.interpreter) for folder in folders
    )


def _question(program: str, row: Runtime) -> tuple[str, ...]:
    if row.language is Language.PYTHON:
        return (program, "-I", "-S", "-c", _PYTHON_QUESTION)
    return (program, "--version")
