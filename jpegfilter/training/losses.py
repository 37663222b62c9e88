"""Training losses on level-shifted YCbCr planes `(N, 3, H, W)` in 8-bit steps."""

from __future__ import annotations

import torch
from torch import Tensor

RGB_FROM_YCBCR = ((1.0, 0.0, 1.402), (1.0, -0.344136286, -0.714136286), (1.0, 1.772, 0.0))
"""Rows R, G and B of the JFIF color conversion (ITU-T T.871, 7)."""
YCBCR_FROM_RGB = (
    (0.299, 0.587, 0.114),
    (-0.168735892, -0.331264108, 0.5),
    (0.5, -0.418687589, -0.081312411),
)


def _mix(planes: Tensor, rows: tuple[tuple[float, ...], ...]) -> Tensor:
    matrix = torch.tensor(rows, dtype=planes.dtype, device=planes.device)
    return torch.einsum("oc,nchw->nohw", matrix, planes)


def clean_planes(rgb: Tensor) -> Tensor:
    """Return the level-shifted, unrounded Y, Cb and Cr of 8-bit RGB: what a perfect restoration would give."""
    planes = _mix(rgb.float(), YCBCR_FROM_RGB)
    planes[:, 0] -= 128
    return planes


def rgb_error(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the mean squared error of each sample of a batch, `(N,)`, over R, G and B normalized to [0, 1]."""
    difference = _mix(restored.float() - clean, RGB_FROM_YCBCR) / 255
    return difference.square().mean((1, 2, 3))
