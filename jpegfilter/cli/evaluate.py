"""`jpegfilter evaluate`: score models over a folder of clean pictures."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import click

from jpegfilter.codec.clean import SUBSAMPLINGS
from jpegfilter.engines.network import EngineOptions
from jpegfilter.errors import OutputError, UsageError
from jpegfilter.metrics import METRICS
from jpegfilter.pipeline.evaluation import Score, evaluate
from jpegfilter.pipeline.restoration import RestoreOptions
from jpegfilter.pipeline.restorer import Restorer
from jpegfilter.weights import DEFAULT


def _numbers(text: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError("qualities as numbers and commas", repr(text), "for example 10,20,30") from error
    if any(not 1 <= number <= 100 for number in numbers):
        raise UsageError("qualities of 1 to 100", text, "for example 10,20,30")
    return numbers


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in SUBSAMPLINGS]
    if unknown:
        raise UsageError(
            "subsamplings that Pillow writes", ", ".join(unknown), f"choose among: {', '.join(SUBSAMPLINGS)}"
        )
    return names


def _row(score: Score) -> dict[str, str | int | float]:
    row: dict[str, str | int | float] = {
        "subsampling": score.subsampling,
        "quality": score.quality,
        "model": score.name,
    }
    return row | score.figures | {"worst gain": score.worst_gain}


def _show(score: Score) -> None:
    figures = "".join(f"{value:10.4f}" if value < 2 else f"{value:10.3f}" for value in score.figures.values())
    click.echo(f"{score.subsampling:7}{score.quality:4}  {score.name:14}{figures}{score.worst_gain:+12.3f}")


def _check_place(path: Path | None) -> None:
    """Raise `OutputError` where a file cannot be written, before hours of work for it."""
    if path is not None and (not path.parent.is_dir() or not os.access(path.parent, os.W_OK)):
        raise OutputError(f"to write {path}", "no folder that can be written to", "choose another place")


def _without_nan(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values with null for those that are no number: JSON has no word for them."""
    return {name: None if isinstance(v, float) and math.isnan(v) else v for name, v in values.items()}


def _write_tables(scores: list[Score], csv_file: Path | None, json_file: Path | None) -> None:
    try:
        if csv_file:
            with csv_file.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(_row(scores[0])))
                writer.writeheader()
                writer.writerows(_row(score) for score in scores)
        if json_file:
            rows = [dataclasses.asdict(score) | {"figures": _without_nan(score.figures)} for score in scores]
            json_file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError("to write the table", error.strerror or str(error), "choose another place") from error


@click.command("evaluate", context_settings={"show_default": True})
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-m", "--model", "models", multiple=True, default=[DEFAULT], help="Model to score; may be repeated.")
@click.option("--qualities", default="10,20,30", help="Qualities, with commas.")
@click.option("--subsampling", default="4:2:0", help="Subsamplings, with commas.")
@click.option("--metrics", default=",".join(METRICS), help="Metrics, with commas.")
@click.option("-s", "--strength", type=float, default=1.0, help="As for restoring.")
@click.option("--project/--no-project", default=RestoreOptions().project, help="As for restoring.")
@click.option("--doubt/--no-doubt", default=RestoreOptions().doubt, help="As for restoring.")
@click.option("-d", "--device", default="auto", help="As for restoring.")
@click.option("-t", "--threads", type=click.IntRange(1), help="As for restoring.")
@click.option("--csv", "csv_file", type=click.Path(dir_okay=False, path_type=Path), help="Also write the table as CSV.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Also write it as JSON.")
def evaluate_command(
    folder: Path,
    models: tuple[str, ...],
    qualities: str,
    subsampling: str,
    metrics: str,
    strength: float,
    project: bool,
    doubt: bool,
    device: str,
    threads: int | None,
    csv_file: Path | None,
    json_file: Path | None,
) -> None:
    """Compress the clean pictures of FOLDER, restore them, and score the result beside the plain JPEG."""
    _check_place(csv_file)
    _check_place(json_file)
    chosen = metrics.split(",")
    restoring = RestoreOptions(strength=strength, project=project, doubt=doubt)
    restorers = {name: Restorer(EngineOptions(name, device, threads), restoring) for name in models}
    scores = []
    heading = "".join(f"{name:>10}" for name in chosen)
    click.echo(f"{'':7}{'q':>4}  {'':14}{heading}{'worst gain':>12}")
    for score in evaluate(
        folder, restorers, qualities=_numbers(qualities), subsamplings=_names(subsampling), metrics=chosen
    ):
        scores.append(score)
        _show(score)
        sys.stdout.flush()
    _write_tables(scores, csv_file, json_file)
