"""`casemate backup FILE`: a consistent copy of the API's objects and keys, also while it runs."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from casemate.apiserver.store.backups import backup
from casemate.cli.serve import default_data_dir


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--data-dir", type=click.Path(path_type=Path), default=default_data_dir)
def command(file: Path, data_dir: Path) -> int:
    """Write everything that was applied to FILE (mode 0600: the keys to its Secrets are in it)."""
    made = backup(data_dir, file.absolute())
    sys.stderr.write(f"{file}: {made.objects} objects as of revision {made.revision}\n")
    return 0
