"""`casemate render -f`: the Kubernetes objects of Functions, as YAML or JSON."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from casemate.api.function import Function
from casemate.api.function_policy import FunctionPolicy
from casemate.api.manifest import ManifestObject
from casemate.api.serverless import Serverless
from casemate.cli.output import output_option, print_document
from casemate.engine.manifest_files import load_manifests
from casemate.engine.rendering import render_policy
from casemate.render.function import render_objects
from casemate.render.policy import RenderPolicy
from casemate.render.yaml_text import render_yaml


@click.command("render")
@click.option(
    "-f",
    "--filename",
    "files",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="A manifest, a folder, or - for stdin; may be repeated.",
)
@output_option(formats=("yaml", "json", "name"))
def command(files: tuple[Path, ...], output: str) -> int:
    """Print what runs each Function on Kubernetes; nothing is applied, fetched or built.

    A Serverless or FunctionPolicy among the files decides as it would in the cluster. Digests that
    only a build finds out are all zeros.
    """
    loaded = load_manifests(files).objects
    rendered = [
        found
        for function in loaded
        if isinstance(function, Function)
        for found in render_objects(function, _policy(function, loaded))
    ]
    if output == "yaml":
        sys.stdout.write(render_yaml(rendered))
    elif output == "json":
        items = [found.wire() for found in rendered]
        print_document({"apiVersion": "v1", "kind": "List", "items": items}, output)
    else:
        for found in rendered:
            wire = found.wire()
            sys.stdout.write(f"{wire['kind'].lower()}/{wire['metadata']['name']}\n")
    return 0


def _policy(function: Function, loaded: tuple[ManifestObject, ...]) -> RenderPolicy:
    settings = next((found for found in loaded if isinstance(found, Serverless)), None)
    policies = tuple(found for found in loaded if isinstance(found, FunctionPolicy))
    return render_policy(function, serverless=settings, policies=policies)
