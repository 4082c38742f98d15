"""`casemate get KIND [NAME]`: what the API holds, as a table that the server made, or whole."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import click

from casemate.cli.api_client import TABLE, ApiClient, Tree
from casemate.cli.api_kinds import ApiKind, find_kind
from casemate.cli.output import output_option, print_document, print_table


@click.command("get")
@click.argument("kind", default="functions")
@click.argument("name", required=False)
@click.option("-n", "--namespace", help="Namespace; default is the kubeconfig's.")
@click.option("-A", "--all-namespaces", is_flag=True, help="Of every namespace.")
@click.option("-l", "--selector", default="", help="Label selector.")
@click.option("--field-selector", default="", help="Field selector.")
@click.option("-w", "--watch", is_flag=True, help="Stay, and print each change.")
@output_option()
def command(  # noqa: PLR0913  # the options of the command line
    *, kind: str, name: str | None, namespace: str | None, all_namespaces: bool, selector: str,
    field_selector: str, watch: bool, output: str,
) -> int:  # fmt: skip
    """Print the objects of KIND (functions), or the one called NAME."""
    with ApiClient.running() as client:
        found = find_kind(client, kind)
        where = None if all_namespaces and not name else namespace or client.namespace
        query = {"labelSelector": selector, "fieldSelector": field_selector}
        query = {key: value for key, value in query.items() if value}
        path = found.path(where, name or "")
        if output in ("table", "wide"):
            table = client.get(path, query, accept=TABLE)
            _print_table(table, wide=output == "wide", namespaces=where is None)
        else:
            tree = client.get(path, query)
            _print_data(tree, found, output)
        return _follow(client, found, where, name, query) if watch else 0


def _print_table(table: Tree, *, wide: bool, namespaces: bool) -> None:
    columns = [
        (index, str(column["name"]))
        for index, column in enumerate(table.get("columnDefinitions") or ())
        if wide or not column.get("priority")
    ]
    rows = table.get("rows") or ()
    if not rows:
        sys.stderr.write("nothing found\n")
        return
    heads, cells = [head for _, head in columns], []
    for row in rows:
        shown = [_cell(row["cells"][index]) for index, _ in columns]
        if namespaces:
            shown.insert(0, str(row["object"]["metadata"].get("namespace", "")))
        cells.append(shown)
    print_table(cells, ["namespace", *heads] if namespaces else heads)


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


def _print_data(tree: Tree, kind: ApiKind, output: str) -> None:
    if output != "name":
        print_document(tree, output)
        return
    for one in tree.get("items", [tree]):
        sys.stdout.write(f"{kind.kind.lower()}/{one['metadata']['name']}\n")


def _follow(
    client: ApiClient, kind: ApiKind, where: str | None, name: str | None, query: Mapping[str, str]
) -> int:
    """Print one line a change until interrupted or until the server ends the watch."""
    wanted = dict(query) | {"watch": "1"}
    if name:
        wanted["fieldSelector"] = f"metadata.name={name}"
    wanted["resourceVersion"] = client.get(kind.path(where))["metadata"]["resourceVersion"]
    for line in client.lines(kind.path(where), wanted):
        event = json.loads(line)
        metadata = event["object"].get("metadata") or {}
        place = f"{metadata.get('namespace', '')}/" if metadata.get("namespace") else ""
        told = _conditions(event["object"])
        sys.stdout.write(f"{event['type']}\t{place}{metadata.get('name', '')}\t{told}\n")
        sys.stdout.flush()
    return 0


def _conditions(tree: Tree) -> str:
    found = (tree.get("status") or {}).get("conditions") or ()
    return " ".join(f"{one['type']}={one['status']}({one.get('reason', '')})" for one in found)
