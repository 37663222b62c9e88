"""Color in torch: level-shifted YCbCr planes `(N, 3, H, W)` in 8-bit steps, and RGB."""

from __future__ import annotations

import torch
from torch import Tensor

from jpegfilter.jpeg.color import YCBCR_FROM_RGB


def mix(planes: Tensor, rows: tuple[tuple[float, ...], ...]) -> Tensor:
    """Return planes `(N, 3, H, W)` whose samples are those of `planes` times a matrix given by its rows."""
    matrix = torch.tensor(rows, dtype=planes.dtype, device=planes.device)
    return torch.einsum("oc,nchw->nohw", matrix, planes)


_FLOOR = 1e-5
"""Mean square below which the root no longer steepens, 50 dB: flat patches must not outweigh all others."""


def root(error: Tensor) -> Tensor:
    """Return the root of mean squared errors of samples in 0..1, for a loss."""
    return (error + _FLOOR).sqrt()


def clean_planes(rgb: Tensor) -> Tensor:
    """Return the level-shifted, unrounded Y, Cb and Cr of 8-bit RGB: what a perfect restoration would give."""
    planes = mix(rgb.float(), YCBCR_FROM_RGB)
    planes[:, 0] -= 128
    return planes
