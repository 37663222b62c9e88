"""Fitting a trained network to one picture, without ground truth.

What the network makes of a picture is the best guess there is at the clean one. That guess is compressed again, by the
file's own tables and subsampling, on other blocks: shifted, mirrored, turned, reduced. The network learns to undo that
on the very textures, colors and edges that it is to restore; then it restores the file anew. docs/optimize.md says what
this gains.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
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
_EXAMINED = 2
"""Batches on which a network is examined before and after."""

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


@dataclass(frozen=True, slots=True)
class _Lessons:
    """What a network is taught: patches of the guess, and what the file's own compression makes of them."""

    pictures: list[Tensor]
    shares: NDArray[np.float64]
    compress: Step
    told: Tensor
    patch: int

    def error(self, network: nn.Module, random: np.random.Generator) -> Tensor:
        """Return how far a network is from undoing the compression of a batch that chance draws."""
        drawn = random.choice(len(self.pictures), BATCH, p=self.shares)
        rgb = torch.stack([_cut(self.pictures[index], random, self.patch) for index in drawn])
        planes = self.compress(rgb).contiguous(memory_format=torch.channels_last)
        with autocast(planes.device):
            restored = network(*inputs_of(network, planes=planes, tables=self.told))
        return _error(restored, clean_planes(rgb))

    @torch.no_grad()
    def examined(self, network: nn.Module, seed: int) -> float:
        """Return the same of batches that no step draws."""
        random = np.random.default_rng((seed, _EXAMINED))
        return sum(self.error(network, random).item() for _ in range(_EXAMINED)) / _EXAMINED


def _lessons(
    guesses: Sequence[Floats], tables: tuple[Table, Table], sampling: str, patch: int, to: torch.device
) -> _Lessons:
    pictures = [torch.from_numpy(guess).to(to) for guess in guesses if min(guess.shape[1:]) >= patch]
    shares = np.array([picture[0].numel() for picture in pictures], np.float64)
    luma, chroma = (torch.from_numpy(table.astype(np.int64).reshape(1, 64)).expand(BATCH, -1) for table in tables)
    compress = Step(luma, chroma, sampling)
    return _Lessons(pictures, shares / shares.sum(), compress, compress.tables.to(to), patch)


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
        network: is changed, unless it undoes the compression of patches it was not taught no better afterwards: then it
            is left as it was, and 0 steps were taken. On its device.
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
    lessons = _lessons(guesses, tables, sampling, patch, device)
    before, start_weights = lessons.examined(network, effort.seed), copy.deepcopy(network.state_dict())
    random = np.random.default_rng(effort.seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, betas=(0.9, 0.99), fused=True)
    start, taken = time.monotonic(), 0
    while taken < effort.limit:
        spent = (time.monotonic() - start) / effort.seconds if effort.seconds else 0.0
        done = max(taken / effort.limit, spent)
        if done >= 1 or not note(done):
            break
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (taken + 1) / _WARM_UP) * (1 - done)
        error = lessons.error(network, random)
        optimizer.zero_grad(set_to_none=True)
        error.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        taken += 1
    if taken and not lessons.examined(network, effort.seed) < before:
        network.load_state_dict(start_weights)
        return 0
    return taken
