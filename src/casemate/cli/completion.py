"""`casemate completion SHELL`: the script that a shell sources."""

from __future__ import annotations

import sys

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> int:
    """Print the completion script; for bash: eval "$(casemate completion bash)"."""
    context = click.get_current_context().find_root()
    completer = get_completion_class(shell)
    if completer is None:
        raise click.UsageError(f"no completion for {shell}")
    script = completer(context.command, {}, "casemate", "_CASEMATE_COMPLETE")
    sys.stdout.write(script.source() + "\n")
    return 0
