"""`python -m export CHECKPOINT NAME`: write `weights/NAME.onnx` and its card."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import click

from export.calibrate import doubt
from export.reach import reach
from export.to_onnx import exported, halved, packed
from jpegfilter.engines.views import VIEWS
from jpegfilter.errors import UsageError
from jpegfilter.training import checkpoint, data
from jpegfilter.weights import card as cards
from jpegfilter.weights import directory, find, names

SUMMARIES = {
    "best": "the default seen from four sides: better, and nearly four times as slow",
    "default": "our own network, told the tables: good and quick",
    "fast": "our own network at its smallest, told the tables",
    "fast-arcnn": "the Fast-ARCNN variant, blind: one small network for every quality",
    "qgac": "Quantization Guided JPEG Artifact Correction: filters made of the tables, on coefficients",
}
SPEEDS = {"best": "slow", "default": "medium", "fast": "fast", "fast-arcnn": "fast", "qgac": "medium"}


def _scores(files: tuple[str, ...]) -> dict[str, dict[str, list[float]]]:
    """Return the PSNR of plain and restored pictures by test set and quality, from `evaluate --json` files."""
    scores: dict[str, dict[str, list[float]]] = {}
    for text in files:
        name, _, path = text.partition("=")
        try:
            rows = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError("scores as NAME=FILE", repr(text), str(error)) from error
        for row in rows:
            figures = scores.setdefault(f"{name} {row['subsampling']}", {})
            figures.setdefault(str(row["quality"]), []).append(round(row["figures"]["psnr"], 3))
    return scores


@click.command()
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("name")
@click.option(
    "--images",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder it was trained on; its held-out pictures calibrate the card.",
)
@click.option("--data", "trained_on", required=True, help="What it was trained on, with licences, in one line.")
@click.option(
    "--views",
    type=click.IntRange(1, VIEWS),
    default=1,
    show_default=True,
    help="Mirror images whose results are averaged.",
)
@click.option("--scores", multiple=True, metavar="NAME=FILE", help="Scores of a test set, by `evaluate --json`.")
def main(source: Path, name: str, images: Path, trained_on: str, views: int, scores: tuple[str, ...]) -> None:
    """Export the moving average of a checkpoint's weights as NAME."""
    state = checkpoint.load(source)
    path = directory() / f"{name}.onnx"
    made = exported(state)
    network, content, half, filters = made.network, packed(made.content), halved(made.content), packed(made.filters)
    digest = hashlib.sha256(content).hexdigest()
    for other in map(find, names()):  # two models may share a file and differ in how it is used
        if other.sha256 == digest and other.name != name:
            path = directory() / other.file
    held_out = data.load(images, state.recipe, held_out=True)
    doubted = doubt(network, held_out, count=views)
    card = cards.Card(
        name=name,
        summary=SUMMARIES[name],
        file=path.name,
        sha256=digest,
        inputs=network.inputs,
        range="level-shifted 8-bit steps",
        halo=reach(network, held_out, farthest=network.halo, multiple=network.multiple),
        multiple=network.multiple,
        parameters=sum(p.numel() for p in network.parameters()),
        macs=network.macs,
        speed=SPEEDS[name],
        recipe=state.recipe.to_dict() | {"steps done": state.step},
        origin=state.origin,
        data=trained_on,
        doubt=tuple(round(float(deviation), 3) for deviation in doubted.deviation.flat),
        caught=doubted.caught,
        views=views,
        scores=_scores(scores),
        half=hashlib.sha256(half).hexdigest(),
        filters=hashlib.sha256(filters).hexdigest() if filters else "",
    )
    for kind, written in (("whole", content), ("half", half), ("filters", filters)):
        if written:
            path.with_name(card.files[kind][0]).write_bytes(written)
    path.with_name(f"{name}.json").write_text(card.to_json(), encoding="utf-8")
    click.echo(f"{path}: {path.stat().st_size / 1e3:.0f} kB, {card.parameters} parameters, {card.macs} MACs a pixel")


if __name__ == "__main__":
    main()
