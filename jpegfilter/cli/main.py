"""The program's entrance: subcommands, loaded when used, and `jpegfilter IN OUT` without naming one."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click
from click.shell_completion import CompletionItem

from jpegfilter import __version__
from jpegfilter.errors import DeviceError, JpegFilterError, OutputError, UsageError, WeightsError

COMMANDS = {
    "restore": ("jpegfilter.cli.restore", "restore"),
    "info": ("jpegfilter.cli.info", "info"),
    "models": ("jpegfilter.cli.models", "models"),
    "evaluate": ("jpegfilter.cli.evaluate", "evaluate_command"),
    "train": ("jpegfilter.cli.train", "train"),
    "gimp": ("jpegfilter.cli.gimp", "gimp"),
    "completion": ("jpegfilter.cli.completion", "completion"),
}
"""Module and attribute of each command."""
_DEFAULT = "restore"
STOPPED = 130
"""Exit status after Ctrl-C: 128 and the signal's number, as shells have it."""
_GROUP_OPTIONS = {"--help", "-h", "--version"}


def exit_status(error: JpegFilterError) -> int:
    """Return the program's exit status for an error (docs/cli.md)."""
    if isinstance(error, UsageError):
        return 2
    if isinstance(error, OutputError):
        return 3
    return 4 if isinstance(error, DeviceError | WeightsError) else 1


class Program(click.Group):
    """Loads commands when they are used, and takes anything that is no command for `restore`'s first argument."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `restore` in front where no command is named."""
        if args and args[0] not in COMMANDS and args[0] not in _GROUP_OPTIONS:
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer files beside commands: `restore` needs no naming."""
        return [*super().shell_complete(ctx, incomplete), CompletionItem(incomplete, type="file")]

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; an error of ours becomes one line and an exit status."""
        try:
            return super().invoke(ctx)
        except JpegFilterError as error:
            click.echo(f"jpegfilter: {error}", err=True)
            ctx.exit(exit_status(error))


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)
@click.version_option(__version__, prog_name="jpegfilter")
def program() -> None:
    r"""Take the blocks, ringing and bleeding colors out of JPEGs.

    \b
    jpegfilter IN.jpg OUT.png       restore one photo
    jpegfilter IN.jpg... FOLDER     restore several
    jpegfilter FOLDER FOLDER        restore a tree of folders
    jpegfilter - - <in >out         from standard input to standard output

    "jpegfilter restore --help" lists the options of these.
    """


def _run() -> int:
    """Run the program to the last byte of its output and return its exit status."""
    try:
        status: object = program.main(prog_name="jpegfilter", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("jpegfilter: stopped", err=True)
        return STOPPED
    except BrokenPipeError:
        return 1
    except OSError as error:
        click.echo(f"jpegfilter: wanted standard output, got {error.strerror or error}", err=True)
        return exit_status(OutputError("standard output", str(error)))
    return status if isinstance(status, int) else 0


def main() -> None:
    """Run the program; neither Ctrl-C nor a closed or full output ends it with a traceback."""
    status = _run()
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:  # what is left in its buffer has nowhere to go: keep the interpreter from trying again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)
