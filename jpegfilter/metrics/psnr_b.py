"""PSNR-B: a peak signal-to-noise ratio that also counts the steps along the 8x8 grid as error.

Source: C. Yim and A. C. Bovik, "Quality Assessment of Deblocked Images", IEEE Transactions on Image Processing 20 (1),
2011. The two conventions for color give different numbers and must not share a table.

Neighbors are counted as they are. The published code of QGAC and FBCNN takes `H (W / 8 - 1) + W (H / 8 - 1)` for the
number of pairs across boundaries (QGAC rounds the quotients down), which is the same where H and W are multiples of 8.
Elsewhere it is too few: at the 481x321 of BSDS500 their figures come out 0.02 to 0.1 dB lower than these.
"""

from __future__ import annotations

import math

import numpy as np

from jpegfilter.jpeg.dct import BLOCK
from jpegfilter.metrics.channels import Samples, channels
from jpegfilter.metrics.psnr import decibels, mean_squared_error

STUDIO_LUMA = (65.481, 128.553, 24.966)
"""Luma of R, G and B at 1.0, less its offset, in 8-bit studio range: 219 times the weights of ITU-R BT.601, 2.5.1."""
STUDIO_BLACK = 16.0
"""Luma of black in 8-bit studio range (ITU-R BT.601, 2.5.3)."""


def blocking_effect(plane: Samples) -> float:
    """Return by how much neighbors differ more across block boundaries than inside blocks, in squared steps.

    It is `log2(8) / log2(min(H, W))` times the mean squared difference of the horizontal and vertical neighbors that a
    boundary of the 8x8 grid separates, less that of all other neighbors; never negative. The grid starts at the
    plane's upper left sample.

    Args:
        plane: `(H, W)`, 0..255; neither rounded nor clipped here.

    Returns:
        0 also where no boundary runs through the plane (H and W up to 8), and where H or W is 1, for which the factor
        has no value.

    Raises:
        ValueError: the plane has not two axes.

    Example:
        >>> blocks = np.kron(np.array([[0, 10], [10, 0]]), np.ones((8, 8)))
        >>> blocking_effect(blocks)
        75.0
        >>> blocking_effect(blocks[4:, 4:])
        0.0
    """
    if plane.ndim != 2:
        raise ValueError(f"wanted a plane (H, W), got {plane.shape}")
    height, width = plane.shape
    if min(height, width) < 2 or max(height, width) <= BLOCK:
        return 0.0
    samples = np.asarray(plane, np.float64)
    across = np.square(np.diff(samples, axis=1)).sum(axis=0)
    down = np.square(np.diff(samples, axis=0)).sum(axis=1)
    # One entry for each line between two columns, then one for each between two rows.
    sums = np.concatenate([across, down])
    pairs = np.repeat([height, width], [width - 1, height - 1])
    boundary = np.concatenate([np.arange(1, width), np.arange(1, height)]) % BLOCK == 0
    at_boundaries = float(sums[boundary].sum() / pairs[boundary].sum())
    elsewhere = float(sums[~boundary].sum() / pairs[~boundary].sum())
    return math.log2(BLOCK) / math.log2(min(height, width)) * max(at_boundaries - elsewhere, 0.0)


def psnr_b(restored: Samples, reference: Samples) -> float:
    """Return PSNR-B in dB, averaged over channels, each with the blocking effect of its own restored channel.

    This is the convention of QGAC (Ehrlich et al., ECCV 2020).

    Args:
        restored: `(H, W)` or `(H, W, C)`, 0..255; its blocks start at its upper left sample.
        reference: of the same shape.

    Returns:
        At most the mean of the channels' PSNR; infinity where one channel is equal and free of blocking. Not symmetric:
        only the restored picture's blocking counts.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> reference = np.full((16, 16), 100.0)
        >>> blocks = np.kron(np.array([[0, 10], [10, 0]]), np.ones((8, 8)))
        >>> round(psnr_b(reference + blocks, reference), 2)
        27.16
    """
    scores = [
        decibels(mean_squared_error(plane, truth) + blocking_effect(plane))
        for plane, truth in zip(*channels(restored, reference), strict=True)
    ]
    return float(np.mean(scores))


def psnr_b_luma(restored: Samples, reference: Samples) -> float:
    """Return PSNR-B in dB: the error over all of RGB, with the blocking effect of the restored picture's luma.

    This is the convention of FBCNN (Jiang et al., ICCV 2021) and JDEC (Han et al., CVPR 2024). The luma is that of
    ITU-R BT.601 in studio range, 16..235, rounded to whole steps. A picture of one channel is its own luma, unscaled
    and not rounded, so that there the result is that of `psnr_b`.

    Args:
        restored: `(H, W)`, `(H, W, 1)` or RGB `(H, W, 3)`, 0..255; its blocks start at its upper left sample.
        reference: of the same shape.

    Returns:
        At most the PSNR; infinity where the pictures are equal and free of blocking. Not symmetric.

    Raises:
        ValueError: the shapes differ, or are those of neither gray nor RGB.

    Example:
        >>> reference = np.full((16, 16, 3), 100.0)
        >>> blocks = np.kron(np.array([[0, 10], [10, 0]]), np.ones((8, 8)))[..., None]
        >>> round(psnr_b_luma(reference + blocks, reference), 2)
        28.22
    """
    planes, truth = channels(restored, reference)
    if len(planes) == 1:
        luma = planes[0]
    elif len(planes) == 3:
        luma = np.round(np.tensordot(STUDIO_LUMA, planes, axes=1) / 255 + STUDIO_BLACK)
    else:
        raise ValueError(f"wanted gray or RGB pictures, got {restored.shape} and {reference.shape}")
    return decibels(mean_squared_error(planes, truth) + blocking_effect(luma))
