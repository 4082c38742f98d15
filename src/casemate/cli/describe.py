"""`casemate describe NAME`: one Function for a person: what it is, how it is, what happened."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

import click

from casemate.cli.api_client import ApiClient, Tree, function_path, namespaced_path

_MOST_EVENTS = 12


@click.command("describe")
@click.argument("name")
@click.option("-n", "--namespace", help="Namespace; default is the kubeconfig's.")
def command(name: str, namespace: str | None) -> int:
    """Tell all about the Function NAME, but for its code."""
    with ApiClient.running() as client:
        where = namespace or client.namespace
        function = client.get(function_path(where, name))
        query = {"fieldSelector": f"involvedObject.kind=Function,involvedObject.name={name}"}
        events = client.get(namespaced_path("/api/v1", where, "events"), query)["items"]
    sys.stdout.writelines(f"{line}\n" for line in (*_function(function), *_events(events)))
    return 0


def _function(tree: Tree) -> Iterator[str]:
    metadata, spec, status = tree["metadata"], tree["spec"], tree.get("status") or {}
    address, revision = status.get("address") or {}, status.get("revision") or {}
    rows = {
        "Name": f"{metadata['namespace']}/{metadata['name']}",
        "Runtime": spec.get("runtime", ""),
        "Image": spec.get("runtimeImageOverride", ""),
        "Source": _source(spec.get("source") or {}),
        "Address": address.get("url", ""),
        "Audience": address.get("audience", ""),
        "Revision": revision.get("name", ""),
        "Replicas": f"{status.get('readyReplicas', 0)} ready",
        "Generation": f"{metadata.get('generation')}, seen {status.get('observedGeneration')}",
        "Created": metadata.get("creationTimestamp", ""),
        "Called by": _granted(spec, "invokedBy", "callers whom RBAC lets create functions/invoke"),
        "Calls": _granted(spec, "calls", "nothing"),
    }
    width = max(map(len, rows)) + 3
    yield from (f"{name + ':':<{width}}{value}" for name, value in rows.items() if value)
    if status.get("conditions"):
        yield "Conditions:"
    for one in status.get("conditions") or ():
        yield f"  {one['type']:<22} {one['status']:<8} {one.get('reason', ''):<24} " + _line(
            one.get("message", "")
        )


def _source(source: Tree) -> str:
    git = source.get("gitRepository")
    if git:
        return f"{git.get('url', '')} {git.get('reference', '')} {git.get('baseDir', '')}".strip()
    return "inline"


def _granted(spec: Tree, field: str, nobody: str) -> str:
    grants = (spec.get("access") or {}).get(field) or ()
    return "; ".join(_grant(grant) for grant in grants) or nobody


def _grant(grant: Tree) -> str:
    for kind, value in grant.items():
        if isinstance(value, dict):
            return f"{kind} " + " ".join(f"{key}={found}" for key, found in value.items())
        return str(kind)
    return ""


def _events(events: list[Tree]) -> Iterator[str]:
    newest = sorted(events, key=lambda one: str(one.get("lastTimestamp") or ""))[-_MOST_EVENTS:]
    if newest:
        yield "Events:"
    yield from _event_lines(newest)


def _event_lines(events: Iterable[Tree]) -> Iterator[str]:
    for one in events:
        count = f" (x{one['count']})" if (one.get("count") or 1) > 1 else ""
        when = one.get("lastTimestamp") or ""
        text = _line(one.get("message", ""))
        yield f"  {when:<21} {one.get('type', ''):<8} {one.get('reason', ''):<24} {text}{count}"


def _line(text: str) -> str:
    """Keep a message on its line: it may quote what a Function said."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())
