"""Data on stdout, in the format that was asked for.

A table is for eyes; `-o json|yaml|name` is for programs and carries every field. Nothing is
coloured here: what a colour would say, a word says.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

FORMATS = ("table", "wide", "json", "yaml", "name")

Row = Mapping[str, Any]


def output_option(*, formats: Sequence[str] = FORMATS) -> Callable[[Any], Any]:
    """Return the `-o` option of a command that prints data."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(list(formats)),
        default=formats[0],
        show_default=True,
        help="Format of the data on stdout.",
    )


def print_document(value: Any, output: str) -> None:
    """Print one JSON value as JSON or YAML."""
    if output == "json":
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
        return
    import yaml  # noqa: PLC0415  # 20 ms that `invoke` does not have

    yaml.safe_dump(value, sys.stdout, sort_keys=False, allow_unicode=True)


def print_rows(
    rows: Sequence[Row], columns: Sequence[str], output: str, *, wide: Sequence[str] = ()
) -> None:
    """Print `rows` as a table of `columns` (and `wide` ones for `-o wide`), or whole as data."""
    if output in ("json", "yaml"):
        print_document([dict(row) for row in rows], output)
    elif output == "name":
        sys.stdout.writelines(f"{row['name']}\n" for row in rows)
    else:
        shown = [*columns, *(wide if output == "wide" else ())]
        print_table([[str(row.get(column, "")) for column in shown] for row in rows], shown)


def print_table(cells: Sequence[Sequence[str]], headers: Sequence[str]) -> None:
    """Print left-aligned columns, three spaces apart, headed in capitals as kubectl does."""
    table = [[header.upper() for header in headers], *cells]
    widths = [max(len(row[i]) for row in table) for i in range(len(headers))]
    for row in table:
        line = "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")
