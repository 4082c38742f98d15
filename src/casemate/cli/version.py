"""`casemate version`."""

from __future__ import annotations

import platform
import sys

import click

from casemate import __version__
from casemate.cli.output import output_option, print_document


@click.command("version")
@output_option(formats=("text", "json", "yaml"))
def command(output: str) -> int:
    """Print the version of casemate and of the Python that runs it."""
    if output == "text":
        sys.stdout.write(f"casemate {__version__}\n")
        return 0
    print_document(
        {
            "version": __version__,
            "python": platform.python_version(),
            "machine": platform.machine(),
            "apiVersion": "serverless.kyma-project.io/v1alpha2",
        },
        output,
    )
    return 0
