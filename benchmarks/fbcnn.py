"""Seconds a megapixel of our networks beside one of FBCNN's shape, in the same ONNX Runtime on the same machine.

    python benchmarks/fbcnn.py [--side 384] [--runs 3] [--models default,fast,fast-arcnn]

FBCNN (Jiang et al. 2021) is a U-Net of widths 64, 128, 256 and 512 with four residual blocks at each level, on the way
down and up; a quality factor is predicted from the deepest features and scales and shifts those on the way up. Its
weights are random here: only the time counts. Needs the extra "train" and onnx, and a quiet machine.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from jpegfilter import weights

WIDTHS = (64, 128, 256, 512)
BLOCKS = 4


class Residual(nn.Module):
    """Two 3x3 convolutions around a rectifier, added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1), nn.ReLU(), nn.Conv2d(width, width, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same shape."""
        added: Tensor = x + self.body(x)
        return added


class Told(nn.Module):
    """A residual block whose change is scaled and shifted by the quality's embedding."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1), nn.ReLU(), nn.Conv2d(width, width, 3, 1, 1))
        self.scale, self.shift = nn.Linear(512, width), nn.Linear(512, width)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """Return features of the same shape."""
        added: Tensor = x + self.scale(code)[..., None, None] * self.body(x) + self.shift(code)[..., None, None]
        return added


class Shape(nn.Module):
    """A network of FBCNN's shape; pictures `(1, 3, H, W)`, H and W multiples of 8."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, WIDTHS[0], 3, 1, 1)
        self.down = nn.ModuleList(
            nn.Sequential(*(Residual(a) for _ in range(BLOCKS)), nn.Conv2d(a, b, 2, 2)) for a, b in pairwise(WIDTHS)
        )
        self.body = nn.Sequential(*(Residual(WIDTHS[-1]) for _ in range(BLOCKS)))
        self.quality = nn.Sequential(
            *(Residual(WIDTHS[-1]) for _ in range(BLOCKS)), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 1), nn.Sigmoid(),
        )  # fmt: skip
        self.code = nn.Sequential(nn.Linear(1, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 512))
        self.rise = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 2, 2) for a, b in zip(WIDTHS[-2::-1], WIDTHS[:0:-1], strict=True)
        )
        self.up = nn.ModuleList(nn.ModuleList(Told(a) for _ in range(BLOCKS)) for a in WIDTHS[-2::-1])
        self.tail = nn.Conv2d(WIDTHS[0], 3, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return pictures of the same shape."""
        kept = [self.head(x)]
        for level in self.down:
            kept.append(level(kept[-1]))
        y = self.body(kept[-1])
        code = self.code(self.quality(y))
        for rise, blocks in zip(self.rise, self.up, strict=True):
            y = rise(y + kept.pop())
            for block in blocks:
                y = block(y, code)
        restored: Tensor = self.tail(y + kept.pop())
        return restored


def seconds(session: onnxruntime.InferenceSession, side: int, runs: int) -> float:
    """Return seconds a megapixel of a square of `side` samples, the best of `runs` after one to warm up."""
    feed = {"planes": np.zeros((1, 3, side, side), np.float32), "tables": np.full((1, 2, 8, 8), 16, np.float32)}
    feed = {entry.name: feed[entry.name] for entry in session.get_inputs()}
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - start)
    return min(times[1:]) / side**2 * 1e6


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=384)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--models", default="default,fast,fast-arcnn")
    options = parser.parse_args()
    providers = ["CPUExecutionProvider"]
    network = Shape().eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "shape.onnx")
        example = torch.zeros(1, 3, options.side, options.side)
        torch.onnx.export(network, (example,), path, input_names=["planes"], dynamo=False)
        theirs = seconds(onnxruntime.InferenceSession(path, providers=providers), options.side, options.runs)
    count = sum(parameter.numel() for parameter in network.parameters())
    print("| network | parameters | s/MP | times faster |\n|---|---|---|---|")
    print(f"| FBCNN's shape | {count / 1e6:.1f} M | {theirs:.2f} | |")
    for name in options.models.split(","):
        card = weights.find(name)
        session = onnxruntime.InferenceSession(weights.onnx_bytes(card), providers=providers)
        ours = card.views * seconds(session, options.side, options.runs)
        print(f"| {name} | {card.parameters / 1e6:.2f} M | {ours:.3f} | {theirs / ours:.0f} |")


if __name__ == "__main__":
    main()
