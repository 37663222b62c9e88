"""`python -m export CHECKPOINT NAME`: write `weights/NAME.onnx` and its card."""

from __future__ import annotations

import json
from pathlib import Path

import click

from export.to_onnx import write
from jpegfilter.training import checkpoint
from jpegfilter.weights import card as cards
from jpegfilter.weights import directory

SUMMARIES = {"fast-arcnn": "the Fast-ARCNN variant, blind: one small network for every quality"}
SPEEDS = {"fast-arcnn": "fast"}


@click.command()
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("name")
@click.option("--data", required=True, help="What it was trained on, with licences, in one line.")
@click.option(
    "--scores",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Scores as `jpegfilter evaluate --json` writes them; kept from the old card otherwise.",
)
def main(source: Path, name: str, data: str, scores: Path | None) -> None:
    """Export the moving average of a checkpoint's weights as NAME."""
    state = checkpoint.load(source)
    path = directory() / f"{name}.onnx"
    network = write(state, path)
    card = cards.Card(
        name=name, summary=SUMMARIES[name], file=path.name, sha256=cards.sha256(path), inputs=("planes",),
        range="level-shifted 8-bit steps", halo=network.halo, multiple=network.multiple,
        parameters=sum(p.numel() for p in network.parameters()), macs=network.macs, speed=SPEEDS[name],
        recipe=state.recipe.to_dict() | {"steps done": state.step}, origin=state.origin, data=data,
        scores=json.loads(scores.read_text()) if scores else {},
    )  # fmt: skip
    path.with_suffix(".json").write_text(card.to_json(), encoding="utf-8")
    click.echo(
        f"{path}: {path.stat().st_size / 1e3:.0f} kB, {card.parameters} parameters, {card.macs} multiply-adds a pixel"
    )


if __name__ == "__main__":
    main()
