"""Multi-scale structural similarity.

Source: Z. Wang, E. P. Simoncelli and A. C. Bovik, "Multiscale Structural Similarity for Image Quality Assessment", 37th
Asilomar Conference on Signals, Systems and Computers, 2003.
"""

from __future__ import annotations

import math

import numpy as np

from jpegfilter.metrics.channels import Doubles, Samples, channels
from jpegfilter.metrics.ssim import GAUSSIAN_SIDE, gaussian_mean, similarity

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents from the finest to the coarsest scale, as the paper's observers set them (section 4)."""
SMALLEST_SIDE = GAUSSIAN_SIDE * 2 ** (len(WEIGHTS) - 1)
"""176 samples: the side below which the window does not fit into the coarsest scale."""


def half(plane: Doubles) -> Doubles:
    """Return the means of a plane's cells of 2x2 samples, `(H // 2, W // 2)`; an odd last row or column is left out.

    Example:
        >>> half(np.arange(10.0).reshape(2, 5))
        array([[3., 5.]])
    """
    height, width = plane.shape[0] // 2, plane.shape[1] // 2
    cells = plane[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
    means: Doubles = cells.mean(axis=(1, 3))
    return means


def _score(restored: Doubles, reference: Doubles) -> float:
    """Return the product over scales: contrast and structure at all but the coarsest, where luminance joins them."""
    product = 1.0
    for scale, weight in enumerate(WEIGHTS, start=1):
        whole, contrast_structure = similarity(restored, reference, mean=gaussian_mean, side=GAUSSIAN_SIDE)
        factor = whole if scale == len(WEIGHTS) else contrast_structure
        # Anti-correlated pictures make the mean negative, which has no real power.
        product *= max(factor, 0.0) ** weight
        restored, reference = half(restored), half(reference)
    return product


def ms_ssim(restored: Samples, reference: Samples) -> float:
    """Return the structural similarity over five scales, averaged over channels.

    Each scale halves the one before it by the mean of 2x2 samples. The window is the 11x11 Gaussian of `ssim`, at
    positions inside the picture only. A negative mean at a scale counts as 0.

    Args:
        restored: `(H, W)` or `(H, W, C)`, 0..255; neither rounded nor clipped here.
        reference: of the same shape.

    Returns:
        0..1, 1 where the pictures are equal; NaN where H or W is below 176. Symmetric in its arguments.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> ramp = np.tile(np.arange(176), (176, 1))
        >>> ms_ssim(ramp, ramp)
        1.0
        >>> ms_ssim(ramp[:100], ramp[:100])
        nan
    """
    planes, truth = channels(restored, reference)
    if min(planes.shape[1:]) < SMALLEST_SIDE:
        return math.nan
    return float(np.mean([_score(x, y) for x, y in zip(planes, truth, strict=True)]))
