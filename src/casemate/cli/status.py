"""`casemate status`: does an engine run, where is it, and how are its Functions."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import click

from casemate.cli.api_client import FUNCTIONS, ApiClient, Tree
from casemate.cli.background import running_engine
from casemate.cli.kube_config import engine_file
from casemate.cli.output import output_option, print_document

_NOT_RUNNING = 5


@click.command("status")
@output_option(formats=("text", "json", "yaml"))
def command(output: str) -> int:
    """Say what runs here; exit 5 when no engine does."""
    pid = running_engine()
    if pid is None:
        sys.stderr.write("no engine is running here\nhint: start it: casemate up\n")
        return _NOT_RUNNING
    with ApiClient.running() as client:
        version = client.get("/version").get("gitVersion", "")
        items = client.get(f"{FUNCTIONS}/functions")["items"]
    states = Counter(_state(one) for one in items)
    found: dict[str, Any] = {
        "process": pid,
        "api": version,
        "kubeconfig": str(engine_file()),
        "functions": dict(sorted(states.items())),
    }
    if output != "text":
        print_document(found, output)
        return 0
    counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none"
    sys.stdout.write(
        f"engine      process {pid}, API {version}\n"
        f"kubeconfig  {found['kubeconfig']}\n"
        f"functions   {counts}\n"
    )
    return 0


def _state(function: Tree) -> str:
    conditions = {
        one["type"]: one for one in (function.get("status") or {}).get("conditions") or ()
    }
    running = conditions.get("Running") or {}
    names = {"True": "running", "False": "failed"}
    return names.get(str(running.get("status")), "starting")
