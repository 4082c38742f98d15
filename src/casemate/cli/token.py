"""`casemate token NAME`: a short-lived token that opens one Function and no other."""

from __future__ import annotations

import sys

import click

from casemate.cli.engine_client import ask_engine
from casemate.cli.output import output_option, print_document


@click.command("token")
@click.argument("name")
@click.option("-n", "--namespace", default="default", show_default=True)
@click.option(
    "--seconds",
    type=click.IntRange(1, 600),
    default=600,
    show_default=True,
    help="Lifetime of the token.",
)
@output_option(formats=("text", "json", "yaml"))
def command(name: str, namespace: str, seconds: int, output: str) -> int:
    """Print a token whose only audience is the Function NAME."""
    grant = ask_engine("token", name=name, namespace=namespace, seconds=seconds)
    if output == "text":
        sys.stdout.write(grant["token"] + "\n")
    else:
        print_document(grant, output)
    return 0
