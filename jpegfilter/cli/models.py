"""`jpegfilter models`: the weights that ship."""

from __future__ import annotations

import dataclasses
import json

import click

from jpegfilter import weights


@click.command("models")
@click.option("--json", "as_json", is_flag=True, help="Print the whole cards.")
def models(as_json: bool) -> None:
    """List the networks that ship: size, speed class and scores."""
    cards = [weights.find(name) for name in weights.names()]
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(card) for card in cards], indent=2))
        return
    for card in cards:
        size = sum(len(weights.onnx_bytes(card, kind)) for kind in card.files if kind != "half")
        default = " (default)" if card.name == weights.DEFAULT else ""
        click.echo(f"{card.name}{default}: {card.summary}")
        click.echo(
            f"  {size / 1e6:.2f} MB, {card.parameters} parameters, {card.macs} multiply-adds a pixel, {card.speed}"
        )
        for test_set, rows in card.scores.items():
            gains = "  ".join(
                f"q{quality} {plain:.2f} -> {restored:.2f}" for quality, (plain, restored) in rows.items()
            )
            click.echo(f"  {test_set}, PSNR in dB: {gains}")
