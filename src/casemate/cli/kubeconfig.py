"""`casemate kubeconfig`: the file that opens the running engine's API to kubectl."""

from __future__ import annotations

import sys

import click

from casemate.cli.kube_config import engine_file, read_connection
from casemate.cli.output import print_document


@click.command("kubeconfig")
@click.option("--path", is_flag=True, help="Print where the file is instead of what it says.")
def command(path: bool) -> int:
    """Print the kubeconfig; it holds a key, so keep it as you keep a password.

    For kubectl: export KUBECONFIG="$(casemate kubeconfig --path)"
    """
    # Whoever is told a path or gets a file can rely on it: it was read and is usable.
    read_connection()
    if path:
        sys.stdout.write(f"{engine_file()}\n")
        return 0
    import yaml  # noqa: PLC0415  # this command alone shows YAML

    print_document(yaml.safe_load(engine_file().read_text(encoding="utf-8")), "yaml")
    return 0
