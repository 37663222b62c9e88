"""`jpegfilter completion`: a script that completes commands and options in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    r"""Print the completion script of SHELL.

    \b
    bash:  jpegfilter completion bash > ~/.local/share/bash-completion/completions/jpegfilter
    zsh:   jpegfilter completion zsh > a file _jpegfilter in a folder of $fpath
    fish:  jpegfilter completion fish > ~/.config/fish/completions/jpegfilter.fish
    """
    root = click.get_current_context().find_root().command
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(root, {}, "jpegfilter", "_JPEGFILTER_COMPLETE").source())
