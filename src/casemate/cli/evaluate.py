"""`casemate evaluate`: manifests against the Pod Security Standards, before anything is applied."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from casemate.api.documents import read_documents
from casemate.api.violations import Violation
from casemate.cli.output import output_option, print_document, print_table
from casemate.engine.evaluation import evaluate_manifests
from casemate.engine.manifest_files import read_paths

VIOLATIONS, UNREADABLE = 1, 2


@click.command("evaluate")
@click.option(
    "-f",
    "--filename",
    "files",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="A manifest, a folder, or - for stdin; may be repeated.",
)
@click.argument("more", nargs=-1, type=click.Path(path_type=Path))
@click.option("--level", default="restricted", show_default=True, help="restricted or baseline.")
@click.option("--version", default="latest", show_default=True, help="latest or v1.N.")
@output_option()
def command(
    files: tuple[Path, ...], more: tuple[Path, ...], level: str, version: str, output: str
) -> int:
    """Judge Pods, and everything that makes Pods; Functions are rendered first.

    Exit 0: all allowed, 1: violations, 2: something could not be read.
    """
    unreadable: list[Violation] = []
    documents = list(_documents([*files, *more], unreadable))
    answers = evaluate_manifests(documents, level, version)
    if output == "name":
        sys.stdout.writelines(f"{_object(answer)}\n" for answer in answers)
    elif output in ("table", "wide"):
        _print_answers(answers, wide=output == "wide")
    else:
        print_document(answers, output)
    for violation in unreadable:
        sys.stderr.write(f"error: {violation}\n")
    if unreadable:
        return UNREADABLE
    return 0 if all(answer["allowed"] for answer in answers) else VIOLATIONS


def _documents(
    paths: list[Path], unreadable: list[Violation]
) -> Iterator[tuple[str, dict[str, Any]]]:
    for _, origin, text in read_paths(paths):
        read = read_documents(text, origin)
        unreadable += read.violations
        for document in read.documents:
            yield origin, document.tree


def _print_answers(answers: list[dict[str, Any]], *, wide: bool) -> None:
    rows = []
    for answer in answers:
        place = [answer["file"], _object(answer)]
        if answer["allowed"]:
            rows.append([*place, "allowed", "", ""])
        rows += [
            [*place, violation["reason"], violation["detail"], violation["rule"]]
            for violation in answer["violations"]
        ]
    headers = ["file", "object", "verdict", "detail", "rule"]
    shown = len(headers) if wide else len(headers) - 1
    print_table([row[:shown] for row in rows], headers[:shown])


def _object(answer: dict[str, Any]) -> str:
    return f"{answer['kind']}/{answer['name']}"
