"""A restored picture and its reference as channels that can be compared. Every metric of this room starts here."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.integer[Any]] | NDArray[np.floating[Any]]
"""A picture `(H, W)` or `(H, W, C)`, 0..255, of any integer or float type."""
Doubles: TypeAlias = NDArray[np.float64]

PEAK = 255.0
"""The largest 8-bit sample, which is also the dynamic range L of SSIM."""


def channels(restored: Samples, reference: Samples) -> tuple[Doubles, Doubles]:
    """Return both pictures as float64 `(C, H, W)`; a picture `(H, W)` has one channel.

    Args:
        restored: `(H, W)` or `(H, W, C)`, 0..255; not changed, not rounded, not clipped.
        reference: of the same shape.

    Raises:
        ValueError: the shapes differ, are not those of a picture, or hold no sample.

    Example:
        >>> restored, reference = channels(np.zeros((4, 6, 3), np.uint8), np.ones((4, 6, 3)))
        >>> restored.shape, restored.dtype
        ((3, 4, 6), dtype('float64'))
    """
    if restored.shape != reference.shape:
        raise ValueError(f"wanted two pictures of one shape, got {restored.shape} and {reference.shape}")
    if restored.ndim not in (2, 3) or restored.size == 0:
        raise ValueError(f"wanted pictures (H, W) or (H, W, C), got {restored.shape} and {reference.shape}")
    return _planes(restored), _planes(reference)


def _planes(picture: Samples) -> Doubles:
    doubles = np.asarray(picture, np.float64)
    if doubles.ndim == 2:
        return doubles[None]
    return np.ascontiguousarray(np.moveaxis(doubles, 2, 0))
