"""The program's entrance: subcommands, loaded when used, and `jpegfilter IN OUT` without naming one."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from jpegfilter import __version__
from jpegfilter.errors import DeviceError, JpegFilterError, OutputError, UsageError, WeightsError

COMMANDS = {
    "restore": ("jpegfilter.cli.restore", "restore"),
    "info": ("jpegfilter.cli.info", "info"),
    "models": ("jpegfilter.cli.models", "models"),
    "evaluate": ("jpegfilter.cli.evaluate", "evaluate_command"),
    "train": ("jpegfilter.cli.train", "train"),
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


def main() -> None:
    """Run the program; neither Ctrl-C nor a closed pipe ends it with a traceback."""
    status: object = 0
    try:
        status = program.main(prog_name="jpegfilter", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("jpegfilter: stopped", err=True)
        status = STOPPED
    except BrokenPipeError:
        sys.stderr.close()
        status = 1
    sys.exit(status if isinstance(status, int) else 0)
