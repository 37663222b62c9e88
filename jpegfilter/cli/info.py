"""`jpegfilter info`: what a file's header says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from jpegfilter.errors import JpegFilterError
from jpegfilter.pipeline.inspection import inspect


def _past(said: dict[str, Any]) -> str:
    """Return the line about an earlier compression."""
    past = said["past"]
    if past is None:
        return "  past         no trace of " + ("a coarser compression" if said["process"] else "JPEG compression")
    where = "" if past["top"] == past["left"] == 0 else f", blocks from row {past['top']}, column {past['left']}"
    return f"  past         a JPEG of quality {past['quality']}{where}"


def _lines(said: dict[str, Any]) -> list[str]:
    megapixels = said["width"] * said["height"] / 1e6
    size = f"  size         {said['width']} x {said['height']} ({megapixels:.2f} MP), {said['bytes']} bytes"
    if said["process"] is None:
        return [click.format_filename(said["file"]), size, f"  color        {said['color']}, no JPEG", _past(said)]
    standard = "the IJG's tables" if said["standard_tables"] else "tables of another encoder"
    lines = [
        click.format_filename(said["file"]),
        size,
        f"  process      {said['process']}",
        f"  color        {said['color']}, subsampling {said['subsampling']}",
        f"  quality      about {said['quality']} ({standard})",
        _past(said),
    ]
    if said["orientation"]:
        lines.append(f"  orientation  {said['orientation']}")
    if said["dpi"]:
        lines.append(f"  resolution   {said['dpi'][0]:g} x {said['dpi'][1]:g} dpi")
    if said["metadata"]:
        lines.append("  metadata     " + ", ".join(f"{kind} {size} bytes" for kind, size in said["metadata"].items()))
    for number, table in said["tables"].items():
        for row, steps in enumerate(table):
            lines.append(
                (f"  table {number}      " if row == 0 else " " * 15) + "".join(f"{step:5d}" for step in steps)
            )
    return lines


@click.command("info")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
def info(files: tuple[Path, ...], as_json: bool) -> None:
    """Say what FILES are: size, mode, subsampling, tables, quality, metadata, traces of an earlier compression."""
    said, status = [], 0
    for path in files:
        try:
            said.append(inspect(path))
        except JpegFilterError as error:
            click.echo(f"jpegfilter: {click.format_filename(path)}: {error}", err=True)
            status = 1
            continue
        if not as_json:
            click.echo("\n".join(_lines(said[-1])))
    if as_json:
        click.echo(json.dumps(said, indent=2))
    click.get_current_context().exit(status)
