"""`casemate rotate-key`: seal Secrets and sources at rest with a new key, forget the old one."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from casemate.apiserver.store.rotation import rotate_key
from casemate.cli.serve import default_data_dir


@click.command("rotate-key")
@click.option("--data-dir", type=click.Path(path_type=Path), default=default_data_dir)
def command(data_dir: Path) -> int:
    """Make a new encryption key, while no engine runs; a second run finishes a killed one."""
    done = rotate_key(data_dir)
    sys.stderr.write(f"{done.objects} objects are sealed with key {done.key_name}\n")
    return 0
