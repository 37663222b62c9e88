"""The program's entrance."""

from __future__ import annotations

import click

from jpegfilter.cli.train import train


@click.group()
def main() -> None:
    """Remove what JPEG compression did to a photo."""


main.add_command(train)
