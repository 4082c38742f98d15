"""`casemate logs NAME [-f]`: what a Function's instances wrote."""

from __future__ import annotations

import sys

import click

from casemate.cli.api_client import NAME_LABEL, ApiClient, Tree, function_path, namespaced_path
from casemate.errors import NotFound


@click.command("logs")
@click.argument("name")
@click.option("-n", "--namespace", help="Namespace; default is the kubeconfig's.")
@click.option("-f", "--follow", is_flag=True, help="Stay, and print new lines as they come.")
@click.option("--tail", type=click.IntRange(0), help="Only the last lines.")
@click.option("--since", type=click.IntRange(1), help="Only the last seconds.")
@click.option("--timestamps", is_flag=True, help="Put the time before each line.")
def command(
    *, name: str, namespace: str | None, follow: bool, tail: int | None, since: int | None,
    timestamps: bool,
) -> int:  # fmt: skip
    """Print the log of the newest instance of the Function NAME."""
    query = {"follow": "true"} if follow else {}
    query |= {"tailLines": str(tail)} if tail is not None else {}
    query |= {"sinceSeconds": str(since)} if since is not None else {}
    query |= {"timestamps": "true"} if timestamps else {}
    with ApiClient.running() as client:
        where = namespace or client.namespace
        pod = _newest(client, where, name)
        out = sys.stdout.buffer
        for line in client.lines(namespaced_path("/api/v1", where, "pods", pod, "log"), query):
            out.write(line)
            out.flush()
    return 0


def _newest(client: ApiClient, namespace: str, name: str) -> str:
    """Return the Pod that began last. Raises NotFound, also when the Function sleeps."""
    pods = client.get(
        namespaced_path("/api/v1", namespace, "pods"), {"labelSelector": f"{NAME_LABEL}={name}"}
    )["items"]
    if not pods:
        client.get(function_path(namespace, name))
        raise NotFound(
            f"no instance of {namespace}/{name} runs now",
            hint=f"it starts with the next request: casemate invoke {name}",
        )
    return str(max(pods, key=_began)["metadata"]["name"])


def _began(pod: Tree) -> str:
    return str(pod["metadata"].get("creationTimestamp", ""))
