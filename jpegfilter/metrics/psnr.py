"""Peak signal-to-noise ratio."""

from __future__ import annotations

import math

import numpy as np

from jpegfilter.metrics.channels import PEAK, Doubles, Samples, channels


def mean_squared_error(restored: Doubles, reference: Doubles) -> float:
    """Return the mean of the squared differences of two float arrays of one shape.

    Example:
        >>> mean_squared_error(np.array([1.0, 5.0]), np.array([1.0, 2.0]))
        4.5
    """
    return float(np.mean(np.square(restored - reference)))


def decibels(error: float, *, peak: float = PEAK) -> float:
    """Return `10 log10(peak^2 / error)` in dB, infinity where the error is 0.

    Args:
        error: a mean squared error, in squared units of `peak`.
        peak: the largest sample.

    Example:
        >>> decibels(255.0**2 / 1000)
        30.0
    """
    return math.inf if error == 0 else 10 * math.log10(peak**2 / error)


def psnr(restored: Samples, reference: Samples, *, peak: float = PEAK) -> float:
    """Return the peak signal-to-noise ratio in dB, over all samples of all channels together.

    Args:
        restored: `(H, W)` or `(H, W, C)`, 0..`peak`; neither rounded nor clipped here.
        reference: of the same shape.
        peak: the largest sample.

    Returns:
        Infinity where the pictures are equal. Symmetric in its arguments.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> reference = np.full((8, 8, 3), 100, np.uint8)
        >>> round(psnr(reference + 1, reference), 2)
        48.13
        >>> psnr(reference, reference)
        inf
    """
    return decibels(mean_squared_error(*channels(restored, reference)), peak=peak)
