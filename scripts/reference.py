"""Write docs/reference from the code: commands, fields, conditions, errors, settings, runtimes.

`--check` writes nothing and fails when a page differs from what would be written.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
import typing
from enum import StrEnum
from pathlib import Path

import click
from pydantic import BaseModel

import casemate
from casemate.api import conditions
from casemate.api.catalogue import RUNTIMES
from casemate.api.function import Function
from casemate.api.function_policy import FunctionPolicy
from casemate.api.serverless import Serverless
from casemate.cli.main import COMMANDS
from casemate.cli.main import casemate as command_group
from casemate.errors import CasemateError
from casemate.settings import Settings

TARGET = Path(__file__).parent.parent / "docs" / "reference"
HEAD = "<!-- written by `make docs`; do not edit -->\n\n"


def first_line(text: str | None) -> str:
    """Return the first paragraph of a docstring, on one line."""
    return " ".join(inspect.cleandoc(text or "").split("\n\n")[0].split())


def cell(text: object) -> str:
    """Escape what would end a table's cell."""
    return str(text).replace("|", "\\|").replace("\n", " ")


def cli_page() -> str:
    """Every command with its arguments and options."""
    out = ["# Commands\n", inspect.cleandoc(command_group.help or "") + "\n"]
    context = click.Context(command_group, info_name="casemate")
    for name in COMMANDS:
        command = command_group.get_command(context, name)
        if command is None:
            continue
        sub = click.Context(command, info_name=name, parent=context)
        out.append(f"## casemate {name}\n")
        out.append(inspect.cleandoc(command.help or "") + "\n")
        out.append(f"```\n{command.get_usage(sub)}\n```\n")
        rows = [record for p in command.get_params(sub) if (record := p.get_help_record(sub))]
        if rows:
            out.append("| option | meaning |\n| --- | --- |")
            out += [f"| `{cell(option)}` | {cell(text)} |" for option, text in rows]
            out.append("")
    return "\n".join(out)


def models_in(annotation: object) -> list[type[BaseModel]]:
    """Return the models that a field's type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in models_in(part)]


def field_rows(model: type[BaseModel], path: str, seen: frozenset[type]) -> list[str]:
    """Return one row per field below `path`."""
    rows = []
    for name, field in model.model_fields.items():
        here = f"{path}.{field.alias or name}" if path else field.alias or name
        children = models_in(field.annotation)
        required = "yes" if field.is_required() else ""
        default = field.get_default(call_default_factory=True) if not field.is_required() else None
        simple = isinstance(default, str | int | float | bool)
        meaning = first_line(children[0].__doc__) if children else first_line(field.description)
        rows.append(
            f"| `{here}` | {required} | {f'`{default}`' if simple else ''} | {cell(meaning)} |"
        )
        for child in children:
            if child not in seen:
                rows += field_rows(child, here, seen | {child})
    return rows


def kind_page(title: str, model: type[BaseModel]) -> str:
    """Every field of a kind."""
    rows = field_rows(model, "", frozenset({model}))
    head = "| field | required | default | meaning |\n| --- | --- | --- | --- |"
    return "\n".join([f"# {title}\n", first_line(model.__doc__) + "\n", head, *rows, ""])


def conditions_page() -> str:
    """The closed sets of condition words."""
    out = ["# Conditions\n", first_line(conditions.__doc__) + "\n"]
    for name, kind in inspect.getmembers(conditions, inspect.isclass):
        if (
            issubclass(kind, StrEnum)
            and kind is not StrEnum
            and kind.__module__ == conditions.__name__
        ):
            out.append(f"## {name}\n\n{first_line(kind.__doc__)}\n")
            out += [f"- `{member.value}`" for member in kind]
            out.append("")
    return "\n".join(out)


def all_errors() -> list[type[CasemateError]]:
    """Import everything and return every error class, by code."""
    for module in pkgutil.walk_packages(casemate.__path__, "casemate."):
        if ".runtimes" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: list[type[CasemateError]] = []
    waiting = [CasemateError]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += kind.__subclasses__()
    return sorted(found, key=lambda kind: (kind.code, kind.__name__))


def errors_page() -> str:
    """Every error: its code, exit number and when trying again can help."""
    out = ["# Errors\n", "| code | exit | tried again | meaning |", "| --- | --- | --- | --- |"]
    out += [
        f"| `{kind.code}` | {kind.exit_code} | {kind.retry} | {cell(first_line(kind.__doc__))} |"
        for kind in all_errors()
    ]
    return "\n".join([*out, ""])


def exit_codes_page() -> str:
    """Every number with which a command ends, from the error tree."""
    out = [
        "# Exit codes\n",
        "| number | meaning | errors |",
        "| --- | --- | --- |",
        "| 0 | done | |",
        (
            "| 1 | the answer is no: `evaluate` found violations, an invoked Function answered "
            "400 or more, `doctor` found no sandbox | {1} |"
        ),
        "| 2 | what was given cannot be used; a wrong command line too | {2} |",
        "| 4 | something that was named does not exist | {4} |",
        "| 5 | not available now; trying again may help | {5} |",
        "| 6 | this machine cannot do, or cannot enforce, what was asked | {6} |",
        "| 70 | a defect of casemate | {70} |",
        "| 130 | interrupted | |",
    ]
    by_number: dict[int, set[str]] = {}
    for kind in all_errors():
        by_number.setdefault(kind.exit_code, set()).add(f"`{kind.code}`")
    text = "\n".join([*out, ""])
    for number, codes in by_number.items():
        if f"{{{number}}}" not in text:
            raise SystemExit(f"exit number {number} has no row in exit_codes_page")
        text = text.replace(f"{{{number}}}", ", ".join(sorted(codes)))
    return re.sub(r"\{\d+\}", "", text)


def settings_page() -> str:
    """The environment variables of the engine."""
    names = re.findall(r"CASEMATE_[A-Z_]+", inspect.getsource(Settings))
    out = ["# Settings of the engine\n", first_line(Settings.__doc__) + "\n"]
    out += [f"- `{name}`" for name in names]
    return "\n".join([*out, ""])


def runtimes_page() -> str:
    """The catalogue."""
    out = [
        "# Runtimes\n",
        "| name | version | handler | called as | end of life | in Kyma |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    out += [
        f"| `{row.name}` | {row.version} | `{row.handler_files[0]}` | {row.contract} "
        f"| {row.end_of_life} | {'yes' if row.in_kyma else 'no'} |"
        for row in RUNTIMES.values()
    ]
    return "\n".join([*out, ""])


PAGES = {
    "cli.md": cli_page,
    "function.md": lambda: kind_page("Function", Function),
    "function-policy.md": lambda: kind_page("FunctionPolicy", FunctionPolicy),
    "serverless.md": lambda: kind_page("Serverless", Serverless),
    "conditions.md": conditions_page,
    "errors.md": errors_page,
    "exit-codes.md": exit_codes_page,
    "settings.md": settings_page,
    "runtimes.md": runtimes_page,
}


def main() -> int:
    """Write or check every page."""
    check = "--check" in sys.argv
    wrong = 0
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        text = HEAD + page().rstrip() + "\n"
        path = TARGET / name
        if check and (not path.exists() or path.read_text() != text):
            print(f"docs/reference/{name} is out of date\nhint: make docs")
            wrong = 1
        if not check:
            path.write_text(text)
    return wrong


if __name__ == "__main__":
    raise SystemExit(main())
