"""`casemate token NAME`: a short-lived token that opens one Function and no other."""

from __future__ import annotations

import sys

import click

from casemate.cli.function_token import function_token
from casemate.cli.output import output_option, print_document


@click.command("token")
@click.argument("name")
@click.option("-n", "--namespace", help="Namespace; default is the kubeconfig's.")
@click.option(
    "--seconds",
    type=click.IntRange(1, 600),
    default=600,
    show_default=True,
    help="Lifetime of the token.",
)
@output_option(formats=("text", "json", "yaml"))
def command(name: str, namespace: str | None, seconds: int, output: str) -> int:
    """Print a token whose only audience is the Function NAME."""
    grant = function_token(namespace, name, seconds)
    if output == "text":
        sys.stdout.write(grant.token + "\n")
    else:
        shown = {"audience": grant.audience, "url": grant.url, "expires": grant.expires}
        print_document({"token": grant.token, **shown}, output)
    return 0
