"""`casemate doctor`: what this machine can enforce, what is missing, how to get it."""

from __future__ import annotations

import asyncio
import sys

import click

from casemate.cli.output import output_option, print_document, print_table
from casemate.engine.doctor import DEGRADED, MISSING, examine
from casemate.settings import read_settings


@click.command("doctor")
@click.option("--strict", is_flag=True, help="Exit 1 for a degraded limit too.")
@output_option()
def command(*, strict: bool, output: str) -> int:
    """Look at kernel, sandbox, limits and interpreters by trying them.

    Exit 1 when no sandbox can be started here.
    """
    checks = asyncio.run(examine(read_settings()))
    if output == "name":
        sys.stdout.writelines(f"{one.name}\n" for one in checks)
    elif output in ("table", "wide"):
        rows = [[one.name, one.status, one.detail, one.remedy] for one in checks]
        print_table(rows, ["check", "status", "found", "remedy"])
    else:
        print_document([one.wire() for one in checks], output)
    broken = {one.name for one in checks if one.status == MISSING} & {"kernel", "sandbox"}
    weak = strict and any(one.status == DEGRADED for one in checks)
    return 1 if broken or weak else 0
