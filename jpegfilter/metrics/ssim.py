"""Structural similarity, with the Gaussian window of its paper and with the flat window of the published JPEG tables.

Source: Z. Wang, A. C. Bovik, H. R. Sheikh and E. P. Simoncelli, "Image Quality Assessment: From Error Visibility to
Structural Similarity", IEEE Transactions on Image Processing 13 (4), 2004. The two windows give different numbers and
must not share a table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from jpegfilter.metrics.channels import PEAK, Doubles, Samples, channels

GAUSSIAN_SIDE = 11
GAUSSIAN_SIGMA = 1.5
"""Side and standard deviation, in samples, of the paper's window (section III.C)."""
UNIFORM_SIDE = 8
"""Side of the flat window, in samples."""
LUMINANCE_FLOOR = (0.01 * PEAK) ** 2
CONTRAST_FLOOR = (0.03 * PEAK) ** 2
"""C1 and C2 of the paper, which keep the two quotients finite on flat and dark areas."""

_ROWS = 64
"""Rows of results computed at once: large enough to vectorize, small enough for the maps to stay in cache."""


def _gaussian() -> Doubles:
    distance = np.arange(GAUSSIAN_SIDE) - GAUSSIAN_SIDE // 2
    weights: Doubles = np.exp(-np.square(distance) / (2 * GAUSSIAN_SIGMA**2))
    weights /= weights.sum()
    return weights


_GAUSSIAN = _gaussian()


def _gaussian_rows(plane: Doubles) -> Doubles:
    middle, rows = GAUSSIAN_SIDE // 2, len(plane) - GAUSSIAN_SIDE + 1
    total: Doubles = plane[middle : middle + rows] * _GAUSSIAN[middle]
    for offset in range(middle):
        mirrored = GAUSSIAN_SIDE - 1 - offset
        pair = plane[offset : offset + rows] + plane[mirrored : mirrored + rows]
        pair *= _GAUSSIAN[offset]
        total += pair
    return total


def gaussian_mean(plane: Doubles) -> Doubles:
    """Return the mean under an 11x11 Gaussian of sigma 1.5 at each of its `(H - 10, W - 10)` positions inside.

    Args:
        plane: `(H, W)`, both at least 11; any unit.

    Example:
        >>> gaussian_mean(np.ones((12, 14))).shape
        (2, 4)
    """
    return _gaussian_rows(_gaussian_rows(plane).T).T


def _uniform_rows(plane: Doubles) -> Doubles:
    for step in (1, 2, 4):  # sums of two, of four, of eight rows
        plane = plane[:-step] + plane[step:]
    return plane


def uniform_mean(plane: Doubles) -> Doubles:
    """Return the plain mean over 8x8 samples at each of their `(H - 7, W - 7)` positions inside.

    Args:
        plane: `(H, W)`, both at least 8; any unit.

    Example:
        >>> uniform_mean(np.arange(72.0).reshape(8, 9))
        array([[35., 36.]])
    """
    return _uniform_rows(_uniform_rows(plane).T).T / UNIFORM_SIDE**2


def _strips(height: int, side: int) -> Iterator[slice]:
    """Yield rows `(H, W)` in strips; each window of `side` rows lies in exactly one of them."""
    for top in range(0, height - side + 1, _ROWS):
        yield slice(top, top + _ROWS + side - 1)


def similarity(
    restored: Doubles, reference: Doubles, *, mean: Callable[[Doubles], Doubles], side: int
) -> tuple[float, float]:
    """Return two means over all window positions inside a plane: of SSIM, and of its contrast and structure alone.

    SSIM at a position is `luminance * contrast_structure` with

        luminance          = (2 mx my + C1) / (mx^2 + my^2 + C1)
        contrast_structure = (2 cov(x, y) + C2) / (var x + var y + C2)

    where mean, variance and covariance are those of the window (not those of a sample: no n - 1).

    Args:
        restored: `(H, W)`, 0..255.
        reference: of the same shape.
        mean: the window: what turns a plane into the means at its positions inside.
        side: samples along the window's side; H and W are at least as large.

    Example:
        >>> flat = np.full((16, 16), 100.0)
        >>> similarity(flat, flat, mean=uniform_mean, side=8)
        (1.0, 1.0)
    """
    similarities, contrasts, positions = 0.0, 0.0, 0
    for rows in _strips(len(restored), side):
        x, y = restored[rows], reference[rows]
        mean_x, mean_y = mean(x), mean(y)
        product, squares = mean_x * mean_y, np.square(mean_x) + np.square(mean_y)
        covariance = mean(x * y) - product
        variances = mean(np.square(x) + np.square(y)) - squares
        contrast_structure = (2 * covariance + CONTRAST_FLOOR) / (variances + CONTRAST_FLOOR)
        luminance = (2 * product + LUMINANCE_FLOOR) / (squares + LUMINANCE_FLOOR)
        similarities += float(np.sum(luminance * contrast_structure))
        contrasts += float(np.sum(contrast_structure))
        positions += contrast_structure.size
    return similarities / positions, contrasts / positions


def _mean_over_channels(restored: Samples, reference: Samples, mean: Callable[[Doubles], Doubles], side: int) -> float:
    planes, truth = channels(restored, reference)
    if min(planes.shape[1:]) < side:
        return math.nan
    scores = [similarity(x, y, mean=mean, side=side)[0] for x, y in zip(planes, truth, strict=True)]
    return float(np.mean(scores))


def ssim(restored: Samples, reference: Samples) -> float:
    """Return the structural similarity under an 11x11 Gaussian of sigma 1.5, averaged over positions and channels.

    Only positions with the whole window inside the picture count: a border of 5 samples has no say.

    Args:
        restored: `(H, W)` or `(H, W, C)`, 0..255; neither rounded nor clipped here.
        reference: of the same shape.

    Returns:
        -1..1, 1 where the pictures are equal; NaN where H or W is below 11. Symmetric in its arguments.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> ramp = np.tile(np.arange(0, 240, 10), (16, 1))
        >>> ssim(ramp, ramp)
        1.0
        >>> round(ssim(np.full_like(ramp, 115), ramp), 3)
        0.193
    """
    return _mean_over_channels(restored, reference, gaussian_mean, GAUSSIAN_SIDE)


def ssim_uniform(restored: Samples, reference: Samples) -> float:
    """Return the structural similarity under a flat 8x8 window, averaged over positions and channels.

    This is what the published tables of JPEG restoration print. The window moves by one sample, not by one block, and
    only positions inside the picture count.

    Args:
        restored: `(H, W)` or `(H, W, C)`, 0..255; neither rounded nor clipped here.
        reference: of the same shape.

    Returns:
        -1..1, 1 where the pictures are equal; NaN where H or W is below 8. Symmetric in its arguments.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> ramp = np.tile(np.arange(0, 240, 10), (16, 1))
        >>> ssim_uniform(ramp, ramp)
        1.0
        >>> round(ssim_uniform(np.full_like(ramp, 115), ramp), 3)
        0.09
    """
    return _mean_over_channels(restored, reference, uniform_mean, UNIFORM_SIDE)
