"""`casemate delete`: objects by kind and name, or all that a manifest names."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from casemate.cli.api_client import ApiClient
from casemate.cli.api_kinds import find_kind, kind_of
from casemate.errors import InvalidInput, NotFound, Unavailable

_STEP_SECONDS = 0.1


@click.command("delete")
@click.argument("kind", required=False)
@click.argument("names", nargs=-1)
@click.option("-n", "--namespace", help="Namespace; default is the kubeconfig's.")
@click.option(
    "-f", "--filename", "paths", multiple=True, type=click.Path(path_type=Path),
    help="Delete what these manifests name.",
)  # fmt: skip
@click.option("--wait/--no-wait", default=True, show_default=True, help="Return when it is gone.")
@click.option("--ignore-not-found", is_flag=True, help="What is not there counts as deleted.")
@click.option("--timeout", default=60.0, show_default=True, help="Seconds to wait.")
def command(  # noqa: PLR0913  # the options of the command line
    *, kind: str | None, names: tuple[str, ...], namespace: str | None, paths: tuple[Path, ...],
    wait: bool, ignore_not_found: bool, timeout: float,
) -> int:  # fmt: skip
    """Delete the objects NAMES of KIND."""
    if bool(paths) == bool(kind and names):
        raise InvalidInput("name a kind and objects, or files with -f", hint="casemate delete -h")
    with ApiClient.running() as client:
        where = namespace or client.namespace
        targets = _in_files(client, paths, where) if paths else _named(client, kind, names, where)
        for shown, path in targets:
            try:
                client.send("DELETE", path)
            except NotFound:
                if not ignore_not_found:
                    raise
                continue
            if wait:
                _until_gone(client, path, shown, timeout)
            sys.stdout.write(f"{shown} deleted\n")
    return 0


def _named(
    client: ApiClient, kind: str | None, names: tuple[str, ...], namespace: str
) -> list[tuple[str, str]]:
    found = find_kind(client, str(kind))
    return [(f"{found.kind.lower()}/{name}", found.path(namespace, name)) for name in names]


def _in_files(client: ApiClient, paths: tuple[Path, ...], namespace: str) -> list[tuple[str, str]]:
    from casemate.engine.manifest_files import load_manifests  # noqa: PLC0415  # pydantic, 100 ms

    targets = []
    for found in load_manifests(paths).in_order():
        tree = found.wire()
        metadata = tree["metadata"]
        kind = kind_of(client, tree["apiVersion"], tree["kind"])
        path = kind.path(metadata.get("namespace") or namespace, metadata["name"])
        targets.append((f"{kind.kind.lower()}/{metadata['name']}", path))
    # What others refer to goes last.
    return targets[::-1]


def _until_gone(client: ApiClient, path: str, shown: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            client.get(path)
        except NotFound:
            return
        time.sleep(_STEP_SECONDS)
    raise Unavailable(f"{shown} is still there after {seconds:g} s", hint="do finalizers hold it?")
