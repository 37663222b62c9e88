"""Fitting a trained network to one picture, without ground truth.

What the network makes of a picture is the best guess there is at the clean one. That guess is compressed again, by the
file's own tables and subsampling, on other blocks: shifted, mirrored, turned, reduced. The network learns to undo that
on the very textures, colors and edges that it is to restore; then it restores the file anew. docs/optimize.md says what
this gains.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from jpegfilter.compression.libjpeg import Step
from jpegfilter.compression.planes import clean_planes, mix, root
from jpegfilter.engines.effort import Effort
from jpegfilter.engines.precision import autocast
from jpegfilter.jpeg.color import RGB_FROM_YCBCR
from jpegfilter.jpeg.types import Floats, Table
from jpegfilter.networks import inputs_of

RATE = 3e-5
"""Adam's learning rate; it falls to 0 along a line."""
_WARM_UP = 10
"""Steps over which it rises first: Adam's first step is as long as its surest."""
PATCH = 96
BATCH = 8
_MCU = 32
"""Side of the widest MCU."""
_REDUCED = 0.5
"""Share of the patches that are reduced, and the smallest factor."""

Note = Callable[[float], bool]
"""Told the share of the fit that is done; returns whether to go on."""


def _cut(guess: Tensor, random: np.random.Generator, patch: int) -> Tensor:
    """Return one patch `(3, patch, patch)`, 8 bits, of a guess `(3, H, W)`, 0..255."""
    side = patch
    if random.random() < _REDUCED:
        side = min(round(patch / random.uniform(_REDUCED, 1)), *guess.shape[1:])
    top, left = (int(random.integers(size - side + 1)) for size in guess.shape[1:])
    cut = guess[:, top : top + side, left : left + side]
    if side != patch:
        cut = functional.interpolate(cut[None], size=(patch, patch), mode="bicubic", antialias=True)[0]
    cut = torch.rot90(cut, int(random.integers(4)), (1, 2))
    cut = cut.flip(2) if random.integers(2) else cut
    return cut.round().clamp(0, 255).to(torch.uint8)


def _error(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the mean over a batch of the root of each patch's mean squared error over R, G and B in 0..1."""
    difference = mix(restored.float() - clean, RGB_FROM_YCBCR) / 255
    return root(difference.square().mean((1, 2, 3))).mean()


def fit(
    network: nn.Module,
    guesses: Sequence[Floats],
    tables: tuple[Table, Table],
    *,
    sampling: str,
    effort: Effort,
    note: Note,
) -> int:
    """Fit a network to a picture and return the steps that were taken.

    Args:
        network: is changed; on its device.
        guesses: what the network has made of the picture or of parts of it, RGB `(3, H, W)`, 0..255.
        tables: of luma and chroma, `[v, u]`.
        sampling: a name that `compression.libjpeg.compress` knows.
        effort: when to stop.
        note: told the share that is done after each step; False stops.

    Patches are as large as the largest guess allows, at most `PATCH`, in whole MCUs of 32; smaller guesses are left
    out, and larger ones drawn more often.
    """
    device = next(network.parameters()).device
    patch = min(PATCH, max(min(guess.shape[1:]) for guess in guesses) // _MCU * _MCU)
    if patch == 0:
        return 0
    pictures = [torch.from_numpy(guess).to(device) for guess in guesses if min(guess.shape[1:]) >= patch]
    shares = np.array([picture[0].numel() for picture in pictures], np.float64)
    luma, chroma = (torch.from_numpy(table.astype(np.int64).reshape(1, 64)).expand(BATCH, -1) for table in tables)
    compress = Step(luma, chroma, sampling)
    told = compress.tables.to(device)
    random = np.random.default_rng(effort.seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, betas=(0.9, 0.99), fused=True)
    start = time.monotonic()
    for step in range(effort.limit):
        spent = (time.monotonic() - start) / effort.seconds if effort.seconds else 0.0
        done = max(step / effort.limit, spent)
        if done >= 1 or not note(done):
            return step
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / _WARM_UP) * (1 - done)
        drawn = random.choice(len(pictures), BATCH, p=shares / shares.sum())
        rgb = torch.stack([_cut(pictures[index], random, patch) for index in drawn])
        planes = compress(rgb).contiguous(memory_format=torch.channels_last)
        with autocast(device):
            restored = network(*inputs_of(network, planes=planes, tables=told))
        optimizer.zero_grad(set_to_none=True)
        _error(restored, clean_planes(rgb)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return effort.limit
