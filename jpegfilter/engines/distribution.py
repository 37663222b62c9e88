"""How the values of a picture are distributed, with a gradient; and how far one distribution is from another.

Source: Barrack, "A Deep Learning Approach to JPEG Colour Restoration Without Ground Truth": a natural picture's colors
are taken to be distributed as the JPEG's mean and variance say.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LEVELS = 256
_LEAST = 1e-10
"""Added to both masses, lest one be divided by 0 (the report)."""
_NARROWEST = 1 / 12
"""Least variance of a channel: that of rounding."""


def histogram(values: Tensor) -> Tensor:
    """Return the share of each of 256 levels, `(C, 256)`, among values `(C, n)` in 0..1; they sum to 1.

    A value between two levels counts for both, the more the nearer: that is what has a gradient.
    """
    scaled = values.clamp(0, 1) * (LEVELS - 1)
    low = scaled.detach().floor().clamp(max=LEVELS - 2)
    above = scaled - low
    index = low.long()
    shares = torch.zeros(len(values), LEVELS, dtype=values.dtype, device=values.device)
    shares = shares.scatter_add(1, index, 1 - above).scatter_add(1, index + 1, above)
    return shares / values.shape[1]


def normal(values: Tensor) -> Tensor:
    """Return the mass function `(C, 256)` of normal distributions with the mean and variance of values `(C, n)`."""
    scaled = values * (LEVELS - 1)
    mean, variance = scaled.mean(1, keepdim=True), scaled.var(1, unbiased=False, keepdim=True)
    levels = torch.arange(LEVELS, dtype=values.dtype, device=values.device)
    return torch.softmax(-((levels - mean) ** 2) / (2 * variance.clamp(min=_NARROWEST)), 1)


def divergence(of: Tensor, given: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of each row of mass functions `(C, 256)` from `given`, `(C,)`, in nats."""
    of, given = of + _LEAST, given + _LEAST
    return (of * torch.log(of / given)).sum(1)


def regions(picture: Tensor, side: int) -> Tensor:
    """Return the values of each of `side * side` parts of a picture `(3, H, W)`, `(3 * side * side, n)`, part by part.

    H and W are cut down to multiples of `side`.
    """
    height, width = (math.floor(size / side) for size in picture.shape[1:])
    cut = picture[:, : height * side, : width * side].reshape(-1, side, height, side, width)
    return cut.permute(1, 3, 0, 2, 4).reshape(-1, height * width)
