"""`casemate restore FILE`: a backup becomes the store of a data directory."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from casemate.apiserver.store.restoring import restore
from casemate.cli.serve import default_data_dir


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--data-dir", type=click.Path(path_type=Path), default=default_data_dir)
@click.option("--replace", is_flag=True, help="Move a store that is there aside, and keep it.")
def command(file: Path, data_dir: Path, replace: bool) -> int:
    """Put the backup FILE into the data directory, while no engine runs on it."""
    done = restore(file.absolute(), data_dir.absolute(), replace=replace)
    sys.stderr.write(f"{done.objects} objects of {done.taken} are in {data_dir}\n")
    if done.kept is not None:
        sys.stderr.write(f"what was there before lies in {done.kept}\n")
    sys.stderr.write("next     casemate up\n")
    return 0
