"""`casemate apply -f`: manifests into the API by server-side apply, all of them or none.

Every object is tried as a dry run first, so that a manifest with one broken object changes nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from casemate.cli.api_client import APPLY, ApiClient, Tree
from casemate.cli.api_kinds import kind_of

MANAGER = "casemate"


@click.command("apply")
@click.option(
    "-f", "--filename", "paths", multiple=True, required=True, type=click.Path(path_type=Path),
    help="Manifest, folder, or - for stdin; may be repeated.",
)  # fmt: skip
@click.option("--force-conflicts", is_flag=True, help="Take fields over from other managers.")
@click.option("--dry-run", is_flag=True, help="Check everything, change nothing.")
def command(paths: tuple[Path, ...], force_conflicts: bool, dry_run: bool) -> int:
    """Make the API hold what the manifests say."""
    from casemate.engine.manifest_files import load_manifests  # noqa: PLC0415  # pydantic, 100 ms

    objects = [found.wire() for found in load_manifests(paths).in_order()]
    query = {"fieldManager": MANAGER, "force": "true" if force_conflicts else "false"}
    with ApiClient.running() as client:
        places = [_place(client, tree) for tree in objects]
        made = _made_here(objects)
        for path, tree in zip(places, objects, strict=True):
            # In a namespace that this very call makes, nothing can be tried beforehand.
            if tree["metadata"].get("namespace") not in made:
                _apply(client, path, tree, {**query, "dryRun": "All"})
        for path, tree in zip(places, objects, strict=True):
            if not dry_run:
                _apply(client, path, tree, query)
            name = f"{tree['kind'].lower()}/{tree['metadata']['name']}"
            sys.stdout.write(f"{name} {'checked' if dry_run else 'applied'}\n")
    return 0


def _made_here(objects: list[Tree]) -> set[str]:
    return {tree["metadata"]["name"] for tree in objects if tree["kind"] == "Namespace"}


def _place(client: ApiClient, tree: Tree) -> str:
    metadata = tree["metadata"]
    kind = kind_of(client, tree["apiVersion"], tree["kind"])
    namespace = metadata.get("namespace") or client.namespace
    return kind.path(namespace, metadata["name"])


def _apply(client: ApiClient, path: str, tree: Tree, query: dict[str, str]) -> None:
    metadata = {
        key: value
        for key, value in tree["metadata"].items()
        if key in {"name", "namespace", "labels", "annotations", "finalizers"}
    }
    body = {key: value for key, value in tree.items() if key != "status"} | {"metadata": metadata}
    client.send("PATCH", path, body, query, content_type=APPLY)
