"""`jpegfilter gimp`: the plug-in for GIMP 3, put in its place and looked after."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from jpegfilter.errors import UsageError
from jpegfilter.gimp import installation, worker
from jpegfilter.gimp.places import Place, places

_DIR = click.option(
    "--dir",
    "chosen",
    type=click.Path(file_okay=False, path_type=Path),
    help="A plug-ins folder, in the place of those of every GIMP 3 found.",
)


def _advise(found: list[Place]) -> None:
    """Print what users of sandboxed GIMPs must allow once."""
    for place in found:
        advice = installation.permission(place)
        if advice:
            click.echo(f"{place.folder}: {advice}")


@click.group("gimp")
def gimp() -> None:
    """The filter in GIMP 3's menu: Filters > Enhance > Remove JPEG Artifacts."""


@gimp.command()
@_DIR
def install(chosen: Path | None) -> None:
    """Put the plug-in where GIMP finds it; again after an update of jpegfilter or of GIMP."""
    found = places()
    for folder in installation.folders(chosen, found):
        click.echo(f"installed {installation.install(folder)}")
    _advise(found if chosen is None else [])
    click.echo("start GIMP again: Filters > Enhance > Remove JPEG Artifacts")


@gimp.command()
@_DIR
def uninstall(chosen: Path | None) -> None:
    """Take the plug-in away."""
    for folder in installation.folders(chosen, places()):
        click.echo(f"{folder}: {'removed' if installation.uninstall(folder) else 'was not there'}")


@gimp.command()
@_DIR
def doctor(chosen: Path | None) -> None:
    """Say whether the plug-in would work, and what to do where it would not (exit status 1)."""
    found = places()
    ill = False
    for folder in installation.folders(chosen, found):
        wrong = installation.complaints(folder)
        ill = ill or bool(wrong)
        for line in wrong or ["well"]:
            click.echo(f"{folder}: {line}")
    _advise(found if chosen is None else [])
    click.get_current_context().exit(int(ill))


@gimp.command("worker", hidden=True)
@click.option("--address", required=True)
@click.option("--idle", type=click.FloatRange(min=0, min_open=True), default=worker.IDLE)
def worker_command(address: str, idle: float) -> None:
    """Serve the plug-in, which gives its key on standard input."""
    key = sys.stdin.readline().strip() if sys.stdin is not None else ""
    if not key:
        raise UsageError("the plug-in's key on standard input", "none", "the plug-in starts this command by itself")
    worker.serve(address, key.encode(), idle=idle)
