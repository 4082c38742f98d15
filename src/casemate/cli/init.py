"""`casemate init DIR --runtime NAME`: a folder that `casemate run DIR` serves at once."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from casemate.errors import InvalidInput

RUNTIMES = ("python312", "python313", "python314", "nodejs22", "nodejs24", "nodejs26")

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

_EVENT_PYTHON = """def main(event, context):
    name = event["extensions"]["request"].query.get("name", "world")
    return {"greeting": f"hello {name}"}
"""

_REQUEST_PYTHON = """from flask import request


def main():
    name = request.args.get("name", "world")
    return {"greeting": f"hello {name}"}
"""

_EVENT_NODE = """module.exports = {
  main: function (event, context) {
    const name = event.extensions.request.query.name || "world";
    return { greeting: `hello ${name}` };
  }
}
"""

_REQUEST_NODE = """module.exports = {
  main: function (req, res) {
    const name = req.query.name || "world";
    res.json({ greeting: `hello ${name}` });
  }
}
"""

# runtime -> (handler file, its text, dependency file, its text)
_FILES = {
    "python312": ("handler.py", _EVENT_PYTHON, "requirements.txt", ""),
    "python313": ("handler.py", _EVENT_PYTHON, "requirements.txt", ""),
    "python314": ("handler.py", _REQUEST_PYTHON, "requirements.txt", ""),
    "nodejs22": ("handler.js", _EVENT_NODE, "package.json", None),
    "nodejs24": ("handler.js", _EVENT_NODE, "package.json", None),
    "nodejs26": ("handler.js", _REQUEST_NODE, "package.json", None),
}


@click.command("init")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--runtime", type=click.Choice(RUNTIMES), default="python313", show_default=True)
@click.option("--name", help="Name of the Function; default: the folder's name.")
def command(directory: Path, runtime: str, name: str | None) -> int:
    """Write a Function's files into DIRECTORY; existing files are never overwritten."""
    chosen = name if name is not None else directory.resolve().name
    if not _NAME.fullmatch(chosen):
        raise InvalidInput(
            f"{chosen!r} is no Function name: lower-case letters, digits, '-', at most 63",
            hint="give one: --name my-function",
        )
    files = _contents(runtime, chosen)
    taken = [file for file in files if (directory / file).exists()]
    if taken:
        raise InvalidInput(
            f"{directory} already has {', '.join(taken)}", hint="choose another folder"
        )
    directory.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        (directory / file).write_text(text)
        sys.stdout.write(f"{directory / file}\n")
    sys.stderr.write(f"next: casemate run {directory}\n")
    return 0


def _contents(runtime: str, name: str) -> dict[str, str]:
    handler, code, dependency_file, dependencies = _FILES[runtime]
    package = f'{{\n  "name": "{name}",\n  "version": "0.1.0",\n  "dependencies": {{}}\n}}\n'
    manifest = (
        "# The code stands beside this file; `casemate run` and `casemate render` put it in.\n"
        "apiVersion: serverless.kyma-project.io/v1alpha2\n"
        "kind: Function\n"
        f"metadata:\n  name: {name}\n"
        f"spec:\n  runtime: {runtime}\n"
    )
    return {
        "function.yaml": manifest,
        handler: code,
        dependency_file: package if dependencies is None else dependencies,
    }
