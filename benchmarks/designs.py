"""What the default network might have been: designs trained for the same seconds on the same data, with their curves.

    PYTHONPATH=. python benchmarks/designs.py FOLDER [--seconds 100] [--only NAME ...] [--out designs.md]

FOLDER holds the training images; gains in dB are those of the moving average of the weights on the middles of every
second held-out image at 4:2:0, at a third, two thirds and the end of the time, validation not counted. Every run has
one phase, from the first rate of the recipe along half a cosine to its last.
Needs the extra "train" and onnx, and a quiet machine: the seconds are those of the wall. Each row is written as soon as
it is known.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn import functional

from export.to_onnx import to_onnx
from jpegfilter import networks
from jpegfilter.jpeg import dct
from jpegfilter.networks.convolution import Convolution
from jpegfilter.networks.table_unet import TableUnet
from jpegfilter.training import data
from jpegfilter.training import recipe as recipes
from jpegfilter.training.loop import Run, RunOptions
from jpegfilter.training.recipe import Recipe
from jpegfilter.training.validation import gains

QUALITIES = (10, 30, 75, 90)
MARKS = (1 / 3, 2 / 3, 1.0)
WARM_UP = 15
"""Steps before the clock is started: torch compiles in the first."""
RECIPES = Path(__file__).parents[1] / "jpegfilter" / "training" / "recipes"


class Blind(TableUnet):
    """Not told the tables: it gets those of one quality for all."""

    def forward(self, planes: Tensor, tables: Tensor) -> Tensor:
        """Return the restored planes."""
        return super().forward(planes, torch.full_like(tables, 16.0))


class Joined(nn.Module):
    """What comes up and what was there before, concatenated and mixed by a 1x1 convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = Convolution(2 * width, width, side=1, gain=1)

    def forward(self, kept: Tensor, up: Tensor) -> Tensor:
        """Return features of the width of each."""
        mixed: Tensor = self.mix(torch.cat((kept, up), 1))
        return mixed


class Concatenating(TableUnet):
    """Skips by concatenation."""

    def __init__(self, **widths: int) -> None:
        super().__init__(**widths)
        self.joins = nn.ModuleDict({str(w): Joined(w) for w in (self.middle_up[0].width, self.fine_up[0].width)})

    @property
    def macs(self) -> int:
        """Multiply-adds for one sample position of the picture."""
        sides = {self.middle_up[0].width: 4, self.fine_up[0].width: 2}
        return super().macs + sum(2 * width**2 * (64 // side**2 - 1) // 64 for width, side in sides.items())

    def join(self, kept: Tensor, up: Tensor) -> Tensor:
        """Return what goes on at a level."""
        joined: Tensor = self.joins[str(int(kept.shape[1]))](kept, up)
        return joined


class Beside(nn.Module):
    """The way down to the coarsest level, and what `levels`, `(N, 64, h, w)`, add to it there."""

    def __init__(self, down: Convolution) -> None:
        super().__init__()
        self.down, self.from_blocks = down, Convolution(64, down.shape[0], side=1, gain=0.1)
        self.levels: Tensor | None = None

    def forward(self, middle: Tensor) -> Tensor:
        """Return what enters the coarsest level."""
        entered: Tensor = self.down(middle) + self.from_blocks(self.levels)
        return entered


class Coefficients(TableUnet):
    """Sees each luma block's coefficients in steps of its table, too, at the coarsest level."""

    def __init__(self, **widths: int) -> None:
        super().__init__(**widths)
        self.to_coarse = Beside(self.to_coarse)
        self.register_buffer("kernel", torch.tensor(dct.KERNEL, dtype=torch.float32), persistent=False)

    def forward(self, planes: Tensor, tables: Tensor) -> Tensor:
        """Return the restored planes."""
        blocks = functional.pixel_unshuffle(planes[:, :1], dct.BLOCK)
        steps = tables[:, 0].flatten(1)[:, :, None, None]
        self.to_coarse.levels = (torch.einsum("fs,nshw->nfhw", self.kernel, blocks) / steps).clamp(-8, 8)
        return super().forward(planes, tables)


class Averaging(Convolution):
    """The entrance for chroma at half its resolution: a cell's mean."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of cells `(N, 12, h, w)`."""
        luma, blue, red = x.split(4, dim=1)
        return super().forward(torch.cat((luma, blue.mean(1, keepdim=True), red.mean(1, keepdim=True)), 1))


class Smooth(Convolution):
    """The way out for chroma at half its resolution: its change is interpolated."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the change of cells `(N, 12, h, w)`."""
        change = super().forward(x)
        whole = functional.interpolate(change[:, 4:], scale_factor=2, mode="bilinear", align_corners=False)
        return torch.cat((change[:, :4], functional.pixel_unshuffle(whole, 2)), 1)


class HalvedChroma(TableUnet):
    """Chroma at half the luma's resolution at the entrance and at the way out."""

    def __init__(self, **widths: int) -> None:
        super().__init__(**widths)
        fine = self.fine_up[0].width
        self.enter, self.leave = Averaging(6, fine), Smooth(fine, 6, gain=0.01)


@dataclass(frozen=True)
class Design:
    """One row: a network class and what it changes in the recipe that all began with."""

    network: type[TableUnet] = TableUnet
    changes: dict[str, Any] = field(default_factory=dict)
    widths: dict[str, int] = field(default_factory=dict)


BEGINNING: dict[str, Any] = {"patch": 96, "batch": 32, "low_quality_share": 0.35, "other_tables": 0.1, "seed": 2}
"""What was otherwise in the default's recipe when the designs were compared."""
WIDTHS = {"fine": 48, "middle": 96, "coarse": 192}
"""Its widths then."""
RATE = 1e-3
"""Its rate then."""

DESIGNS = {
    "48, 96, 192 (`default` before)": Design(),
    "skips concatenated": Design(Concatenating),
    "coefficients as input": Design(Coefficients),
    "chroma at half resolution": Design(HalvedChroma),
    "not told the tables": Design(Blind),
    "Adam": Design(changes={"optimizer": "adam", "phases": 2e-3}),
    "L1 loss": Design(changes={"loss": "l1"}),
    "squared error": Design(changes={"loss": "mse"}),
    "deeper, narrower": Design(
        widths={"fine": 32, "middle": 64, "coarse": 128, "fine_blocks": 2, "middle_blocks": 2, "coarse_blocks": 6}
    ),
    "more blocks at 1/8": Design(widths={"fine": 32, "middle": 64, "coarse": 192, "coarse_blocks": 5}),
    "64, 64, 128 (`default`)": Design(widths={"fine": 64, "middle": 64, "coarse": 128}),
    "half as wide": Design(widths={"fine": 24, "middle": 48, "coarse": 96}),
    "16, 32, 64 (`fast` before)": Design(widths={"fine": 16, "middle": 32, "coarse": 64}),
    "32, 32, 64 (`fast`)": Design(widths={"fine": 32, "middle": 32, "coarse": 64}),
    "16, 48, 96": Design(widths={"fine": 16, "middle": 48, "coarse": 96}),
    "wider": Design(widths={"fine": 64, "middle": 128, "coarse": 256}),
}


def of(design: Design) -> Recipe:
    """Return a design's recipe."""
    base = recipes.load(RECIPES / "default.toml")
    changes = BEGINNING | design.changes
    phase = dataclasses.replace(base.phases[0], rate=changes.pop("phases", RATE))
    widths = base.widths | WIDTHS | design.widths
    return dataclasses.replace(base, network="design", widths=widths, phases=(phase,), **changes)


def speed(network: nn.Module) -> float:
    """Return seconds a megapixel in ONNX Runtime on all cores, the best of five."""
    session = onnxruntime.InferenceSession(to_onnx(network), providers=["CPUExecutionProvider"])
    feed = {"planes": np.zeros((1, 3, 768, 768), np.float32), "tables": np.full((1, 2, 8, 8), 16, np.float32)}
    session.run(None, feed)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        session.run(None, feed)
        best = min(best, time.perf_counter() - start)
    return best / 768**2 * 1e6


def train(
    design: Design, photos: data.Photos, held_out: data.Photos, *, seconds: float
) -> tuple[nn.Module, float, list[dict[int, float]]]:
    """Return a design trained for `seconds`, the megapixels it saw, and its gains at `MARKS`."""
    networks.NETWORKS["design"] = design.network
    made = of(design)
    options = RunOptions(Path("unwritten"), compiled=True)
    trial = Run(made, options=options, origin={}, state=None)
    start = 0.0
    for step in range(2 * WARM_UP):
        if step == WARM_UP:
            start = time.monotonic()
        trial.advance(data.draw(photos, made, step=step))
    pace = (time.monotonic() - start) / WARM_UP
    steps = int(seconds / pace)
    run = Run(recipes.scaled(made, patches=steps * made.batch), options=options, origin={}, state=None)
    curve, spent, marks = [], 0.0, list(MARKS)
    while marks:
        start = time.monotonic()
        run.advance(data.draw(photos, made, step=run.step))
        spent += min(time.monotonic() - start, 3 * pace)  # the first step compiles
        if spent >= marks[0] * seconds or run.step == steps:
            found = gains(run.network, run.average, held_out, device=run.device, qualities=QUALITIES)
            curve.append({quality: gain for quality, (_, gain) in found.items()})
            marks.pop(0)
    run.network.load_state_dict(run.average, strict=False)
    return run.network, run.step * made.batch * made.patch**2 / 1e6, curve


def main() -> None:
    """Train the designs and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=100)
    parser.add_argument("--only", nargs="*", choices=list(DESIGNS), default=list(DESIGNS))
    parser.add_argument("--out", type=Path, default=Path("designs.md"))
    options = parser.parse_args()
    heads = " | ".join(f"q{quality}" for quality in QUALITIES)
    if not options.out.exists():
        head = f"| design | MACs/px | parameters | s/MP | Mpx seen | {heads} |\n|{'---|' * (5 + len(QUALITIES))}\n"
        options.out.write_text(head)
    photos, held_out = (data.load(options.folder, of(Design()), held_out=held) for held in (False, True))
    held_out = dataclasses.replace(held_out, images=held_out.images[::2], weights=held_out.weights[::2])
    for name in options.only:
        network, seen, curve = train(DESIGNS[name], photos, held_out, seconds=options.seconds)
        count = sum(parameter.numel() for parameter in network.parameters())
        cells = " | ".join(" ".join(f"{point[quality]:+.2f}" for point in curve) for quality in QUALITIES)
        size = f"{network.macs / 1e3:.0f} k | {count / 1e6:.2f} M | {speed(network.merged()):.2f}"
        row = f"| {name} | {size} | {seen:.0f} | {cells} |"
        print(row, flush=True)
        with options.out.open("a") as file:
            file.write(row + "\n")


if __name__ == "__main__":
    main()
