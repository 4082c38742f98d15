"""`casemate rollout history|undo|status NAME`: which revisions there were, back to one, how far."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from casemate.cli.api_client import NAME_LABEL, ApiClient, Tree, function_path, namespaced_path
from casemate.cli.output import output_option, print_rows
from casemate.errors import NotFound, Unavailable

_STEP_SECONDS = 0.2

_namespace = click.option("-n", "--namespace", help="Namespace; default is the kubeconfig's.")


@click.group("rollout")
def command() -> None:
    """Revisions of a Function: each accepted change made one, and none is ever changed."""


@command.command("history")
@click.argument("name")
@_namespace
@output_option()
def history(name: str, namespace: str | None, output: str) -> int:
    """List the revisions of the Function NAME, oldest first."""
    with ApiClient.running() as client:
        where = namespace or client.namespace
        function = client.get(function_path(where, name))
        serving = _serving(function)
        rows = [_row(one, serving) for one in _revisions(client, where, name)]
    print_rows(rows, ("revision", "name", "serves"), output, wide=("created", "source"))
    return 0


@command.command("undo")
@click.argument("name")
@_namespace
@click.option("--to-revision", type=click.IntRange(1), help="Default: the one before the newest.")
def undo(name: str, namespace: str | None, to_revision: int | None) -> int:
    """Give the Function NAME the spec of an earlier revision again."""
    with ApiClient.running() as client:
        where = namespace or client.namespace
        function = client.get(function_path(where, name))
        target = _target(_revisions(client, where, name), to_revision, f"{where}/{name}")
        # With the version that was read: a change that came between is not overwritten.
        function["spec"] = target["data"]["spec"]
        client.send("PUT", function_path(where, name), function, {"fieldManager": "casemate"})
    sys.stdout.write(f"function/{name} has the spec of revision {target['revision']} again\n")
    return 0


@command.command("status")
@click.argument("name")
@_namespace
@click.option("--timeout", default=120.0, show_default=True, help="Seconds to wait.")
def status(name: str, namespace: str | None, timeout: float) -> int:
    """Wait until the newest spec of the Function NAME serves; exit 1 when it cannot."""
    end = time.monotonic() + timeout
    told = ""
    with ApiClient.running() as client:
        where = namespace or client.namespace
        while time.monotonic() < end:
            function = client.get(function_path(where, name))
            state, text = _progress(function)
            if text != told:
                sys.stderr.write(f"{text}\n")
                told = text
            if state is not None:
                sys.stdout.write(f"function/{name} {'serves' if state else 'failed'}\n")
                return 0 if state else 1
            time.sleep(_STEP_SECONDS)
    raise Unavailable(f"{where}/{name} did not settle within {timeout:g} s: {told}")


def _progress(function: Tree) -> tuple[bool | None, str]:
    """Return whether the newest spec serves (None: not yet), and what to tell."""
    found = function.get("status") or {}
    if found.get("observedGeneration") != function["metadata"].get("generation"):
        return None, "waiting for the controller to see the newest spec"
    conditions = {one["type"]: one for one in found.get("conditions") or ()}
    configured, running = conditions.get("ConfigurationReady"), conditions.get("Running")
    if configured is None or running is None:
        return None, "waiting for the first conditions"
    for one in (configured, running):
        text = f"{one['type']}: {one.get('reason', '')} {one.get('message', '')}".strip()
        if one["status"] == "False":
            return False, text
        if one["status"] == "Unknown":
            return None, text
    return True, f"revision {_serving(function)} serves"


def _serving(function: Tree) -> str:
    revision = (function.get("status") or {}).get("revision") or {}
    return str(revision.get("name", ""))


def _revisions(client: ApiClient, namespace: str, name: str) -> list[Tree]:
    query = {"labelSelector": f"{NAME_LABEL}={name}"}
    found = client.get(namespaced_path("/apis/apps/v1", namespace, "controllerrevisions"), query)[
        "items"
    ]
    return sorted(found, key=lambda one: int(one["revision"]))


def _target(revisions: list[Tree], wanted: int | None, name: str) -> Tree:
    listed = ", ".join(str(one["revision"]) for one in revisions) or "none"
    if wanted is None:
        if len(revisions) < 2:  # noqa: PLR2004
            raise NotFound(f"{name} has no earlier revision", hint=f"there is: {listed}")
        return revisions[-2]
    for one in revisions:
        if one["revision"] == wanted:
            return one
    raise NotFound(f"{name} has no revision {wanted}", hint=f"there are: {listed}")


def _row(revision: Tree, serving: str) -> dict[str, Any]:
    metadata = revision["metadata"]
    return {
        "revision": revision["revision"],
        "name": metadata["name"],
        "serves": "yes" if metadata["name"] == serving else "",
        "created": metadata.get("creationTimestamp", ""),
        "source": ((revision.get("data") or {}).get("digests") or {}).get("sourceDigest", ""),
    }
