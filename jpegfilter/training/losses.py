"""Training losses on level-shifted YCbCr planes `(N, 3, H, W)` in 8-bit steps."""

from __future__ import annotations

import torch
from torch import Tensor

from jpegfilter.jpeg.color import RGB_FROM_YCBCR, YCBCR_FROM_RGB


def mix(planes: Tensor, rows: tuple[tuple[float, ...], ...]) -> Tensor:
    """Return planes `(N, 3, H, W)` whose samples are those of `planes` times a matrix given by its rows."""
    matrix = torch.tensor(rows, dtype=planes.dtype, device=planes.device)
    return torch.einsum("oc,nchw->nohw", matrix, planes)


def clean_planes(rgb: Tensor) -> Tensor:
    """Return the level-shifted, unrounded Y, Cb and Cr of 8-bit RGB: what a perfect restoration would give."""
    planes = mix(rgb.float(), YCBCR_FROM_RGB)
    planes[:, 0] -= 128
    return planes


_FLOOR = 1e-5
"""Mean square below which the root no longer steepens, 50 dB: flat patches must not outweigh all others."""


def rgb_error(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the mean squared error of each sample of a batch, `(N,)`, over R, G and B normalized to [0, 1]."""
    difference = mix(restored.float() - clean, RGB_FROM_YCBCR) / 255
    return difference.square().mean((1, 2, 3))


def loss(name: str, restored: Tensor, clean: Tensor) -> Tensor:
    """Return what training minimizes, one number: over R, G and B normalized to [0, 1].

    Args:
        name: "mse", the mean squared error; "l1", the mean absolute error; "root", the mean over the samples of a
            batch of the root of each one's mean squared error, which weighs high qualities more, as PSNR does.
    """
    if name == "l1":
        return (mix(restored.float() - clean, RGB_FROM_YCBCR) / 255).abs().mean()
    error = rgb_error(restored, clean)
    return {"mse": error, "root": (error + _FLOOR).sqrt()}[name].mean()
