"""How far a network's own error reaches in each DCT coefficient: the `doubt` of its card (see `jpeg.bounds.trust`)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from jpegfilter.jpeg import dct, tables
from jpegfilter.jpeg.types import Table
from jpegfilter.training import losses
from jpegfilter.training.data import Photos
from jpegfilter.training.degradation import compress

QUALITIES = (5, 10, 20, 30, 50, 70, 80, 85, 90, 95, 98, 100)
_SAMPLINGS = ("4:2:0", "4:4:4")
_CROP = 256
_CANDIDATES = np.concatenate(([0.0], np.geomspace(0.02, 40, 120)))
"""Standard deviations that are tried, in 8-bit steps."""


def _coefficients(plane: Tensor, cell: int) -> Tensor:
    """Return the coefficients `(64, blocks)` of a plane `(H, W)` averaged over square cells."""
    small = functional.avg_pool2d(plane[None, None], cell)
    kernel = torch.as_tensor(dct.KERNEL, dtype=torch.float32)
    return torch.einsum("fs,shw->fhw", kernel, functional.pixel_unshuffle(small, dct.BLOCK)[0]).flatten(1)


def _table(base: Table, quality: int) -> Tensor:
    return torch.from_numpy(tables.ijg_table(base, quality).astype(np.int64).reshape(1, 64))


@torch.no_grad()
def _moments(network: nn.Module, image: Tensor, quality: int, sampling: str) -> NDArray[np.float64]:
    """Return, for luma and chroma and each frequency, `sum d^2`, `sum d e` and `sum e^2`, `(2, 64, 3)`.

    `d` is what the network adds to a coefficient and `e` what it should have added.
    """
    side = min(_CROP, image.shape[0] // 32 * 32, image.shape[1] // 32 * 32)
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    rgb = image[top : top + side, left : left + side].permute(2, 0, 1)[None]
    steps = [_table(tables.LUMA, quality), _table(tables.CHROMA, quality)]
    compressed = compress(rgb, *steps, sampling=sampling)
    clean, restored = losses.clean_planes(rgb)[0], network(compressed.planes)[0]
    out = np.zeros((2, 64, 3))
    for index in range(3):
        kind, cell = min(index, 1), 2 if index and sampling == "4:2:0" else 1
        middle = (compressed.coefficients[index] * steps[kind][:, :, None, None])[0].flatten(1)
        added = _coefficients(restored[index], cell) - middle
        error = _coefficients(clean[index], cell) - middle
        products = (added * added, added * error, error * error)
        out[kind] += np.stack([product.double().sum(1).numpy() for product in products], 1)
    return out


def doubt(network: nn.Module, photos: Photos) -> tuple[float, ...]:
    """Return the standard deviations, luma then chroma, that leave the least error over all qualities.

    Every quality counts alike: its error is measured against that of the plain decode.
    """
    moments = np.array([
        sum(_moments(network, image, quality, sampling) for image in photos.images for sampling in _SAMPLINGS)
        for quality in QUALITIES
    ])  # fmt: skip
    steps = np.array([
        [tables.ijg_table(base, quality).reshape(64) for base in (tables.LUMA, tables.CHROMA)] for quality in QUALITIES
    ], dtype=np.float64)  # fmt: skip
    told = steps[..., None] ** 2 / 12
    share = told / (told + _CANDIDATES**2)
    added, both, error = (moments[..., k, None] for k in range(3))
    scale = error.sum(2, keepdims=True)
    left = ((share**2 * added - 2 * share * both) / scale).sum(0)
    best = _CANDIDATES[np.argmin(left, axis=-1)]
    return tuple(round(float(value), 3) for value in best.reshape(-1))
