"""Mean and deviation of each frequency's coefficients over what a recipe draws: what QGAC normalizes by."""

from __future__ import annotations

import torch
from torch import Tensor

from jpegfilter.compression.blocks import coefficients, undone
from jpegfilter.training.data import Photos, draw
from jpegfilter.training.degradation import degrade
from jpegfilter.training.recipe import Recipe

BATCHES = 200
_LEAST = 0.5
"""Smallest deviation, in 8-bit steps: what is always 0 is not to be divided by it."""


@torch.no_grad()
def statistics(photos: Photos, recipe: Recipe, *, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of luma's and chroma's decoded coefficients, `(2, 64)`, channel `8 v + u`.

    Chroma's are those of halved chroma. Of the recipe's first `BATCHES` batches.
    """
    sums = torch.zeros(2, 2, 64, dtype=torch.float64)
    counts = [0, 0]
    for step in range(BATCHES):
        batch = draw(photos, recipe, step=step)
        planes = degrade(batch.rgb.to(device), batch.last, batch.past, patch=recipe.patch).planes
        for kind, plane in enumerate((planes[:, :1], undone(planes[:, 1:].flatten(0, 1)[:, None], down=2, across=2))):
            found = coefficients(plane).double().cpu()
            sums[kind] += torch.stack((found.sum((0, 2, 3)), found.square().sum((0, 2, 3))))
            counts[kind] += found.numel() // 64
    means = sums / torch.tensor(counts, dtype=torch.float64)[:, None, None]
    deviation = (means[:, 1] - means[:, 0] ** 2).clamp(min=0).sqrt().clamp(min=_LEAST)
    return means[:, 0].float(), deviation.float()
