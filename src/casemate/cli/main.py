"""The command `casemate`: names, help and the one place where errors become exit numbers.

Commands are imported when they are called: `invoke` has 150 ms in all, and most of what the engine
needs (pydantic, cryptography) takes longer than that to import.
"""

from __future__ import annotations

import importlib
import sys

import click

from casemate.cli.render_error import render_error
from casemate.errors import CasemateError

# command -> (module, one-line help); help stands here so that `--help` imports nothing.
COMMANDS = {
    "run": ("run", "Run Functions on this machine, in the foreground."),
    "up": ("up", "Start the engine in the background, with a store that lasts."),
    "down": ("down", "Stop the engine."),
    "status": ("status", "Say what runs here."),
    "apply": ("apply", "Make the engine hold what manifests say."),
    "get": ("get", "Print what the engine holds."),
    "describe": ("describe", "Tell all about one Function."),
    "delete": ("delete", "Delete objects."),
    "logs": ("logs", "Print what a Function wrote."),
    "rollout": ("rollout", "Revisions: history, undo, status."),
    "invoke": ("invoke", "Call a running Function with a token of its own."),
    "token": ("token", "Print a short-lived token for one Function."),
    "init": ("init", "Start a Function in a new folder."),
    "render": ("render", "Print the Kubernetes objects of a Function."),
    "evaluate": ("evaluate", "Check manifests against the Pod Security Standards."),
    "image": ("image", "Bring images to this machine, for custom runtimes."),
    "kubeconfig": ("kubeconfig", "Print the kubeconfig of the running engine."),
    "backup": ("backup", "Copy everything that was applied to one file."),
    "restore": ("restore", "Put a backup back."),
    "rotate-key": ("rotate_key", "Seal Secrets at rest with a new key."),
    "service": ("service", "The engine as a service of systemd."),
    "serve": ("serve", "Run the lasting engine in the foreground."),
    "doctor": ("doctor", "Say what this machine can enforce, and how to get the rest."),
    "completion": ("completion", "Print the completion script of a shell."),
    "version": ("version", "Print the version."),
}

INTERRUPTED = 130


class LazyGroup(click.Group):
    """A group that imports a command's module when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order a newcomer meets them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command, or None for an unknown name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"casemate.cli.{COMMANDS[cmd_name][0]}")
        command = module.command
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Add a suggestion to the error for an unknown command."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches  # noqa: PLC0415  # only on the error's way

            near = get_close_matches(args[0], COMMANDS, n=1)
            advice = f"did you mean {near[0]!r}?" if near else "see: casemate --help"
            ctx.fail(f"no such command {args[0]!r}\nhint: {advice}")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def casemate() -> None:
    """Functions that are safe by default.

    Data goes to stdout, talk to stderr. Exit numbers: 0 done, 1 the answer is no (violations, a
    call that failed), 2 unusable input, 4 not found, 5 not available now, 6 this machine cannot,
    70 a defect of casemate, 130 interrupted.
    """


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit number; never shows a traceback for our errors."""
    try:
        result = casemate.main(args=arguments, prog_name="casemate", standalone_mode=False)
    except click.exceptions.Abort:
        return INTERRUPTED
    except KeyboardInterrupt:
        return INTERRUPTED
    except click.ClickException as error:
        error.show(file=sys.stderr)
        return 2
    except CasemateError as error:
        return render_error(error, sys.stderr)
    except BrokenPipeError:
        # The reader of our stdout went away (`| head`): not an error, and nothing more to say.
        sys.stderr.close()
        return 0
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    # How the engine starts itself in the background, with an interpreter that reads no settings.
    sys.exit(main())
