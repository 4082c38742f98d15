"""`casemate image import FILE`: an image from disk, for `runtimeImageOverride`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from casemate.cli.output import output_option, print_document
from casemate.node.images import import_image
from casemate.node.store import Store
from casemate.settings import read_settings


@click.group("image")
def command() -> None:
    """Bring images to this machine; Functions name them by digest."""


@command.command("import")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option("--digest", help="Refuse any other image than this one.")
@output_option(formats=("text", "json", "yaml"))
def import_command(source: Path, digest: str | None, output: str) -> int:
    """Import SOURCE and print its digest: an OCI layout folder or archive, or one of docker save.

    Every blob and every unpacked layer is hashed; nothing of the image is run.
    """
    sys.stderr.write(f"importing {source}\n")
    image = import_image(Store(read_settings().state_dir), source, expected_digest=digest)
    if output == "text":
        sys.stdout.write(f"{image.digest}\n")
    else:
        print_document({"digest": image.digest, "environment": dict(image.environment)}, output)
    return 0
