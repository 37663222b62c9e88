"""The 8x8 discrete cosine transform of ITU-T T.81, A.3.3, on whole planes and on stacks of blocks.

Coefficients are `[block row, block column, v, u]`; planes are `(H, W)` with H and W multiples of 8. Both are float32
unless the caller brings float64. Nothing here rounds or clips. See docs/math.md, section 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jpegfilter.jpeg.types import Floats

BLOCK = 8
"""Samples along one side of a block (T.81, 3.1.14)."""


def _basis() -> NDArray[np.float64]:
    k = np.arange(BLOCK)
    rows: NDArray[np.float64] = np.cos((2 * k[None, :] + 1) * k[:, None] * np.pi / (2 * BLOCK)) * np.sqrt(2 / BLOCK)
    rows[0] = np.sqrt(1 / BLOCK)
    return rows


BASIS: NDArray[np.float64] = _basis()
"""Orthonormal 1-D basis `[frequency, sample]`; its separable square is the transform of T.81, A.3.3."""

KERNEL: Floats = np.kron(BASIS, BASIS)
"""The 2-D transform as one orthonormal matrix, `[8 v + u, 8 y + x]`: a whole plane is then one matrix product."""


def _kernel(dtype: np.dtype[np.floating]) -> Floats:
    return KERNEL.astype(dtype, copy=False)


def to_blocks(plane: Floats) -> Floats:
    """Return the plane `(H, W)` cut into `[block row, block column, y, x]`; H and W must be multiples of 8."""
    height, width = plane.shape
    return plane.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK).swapaxes(1, 2)


def from_blocks(blocks: Floats) -> Floats:
    """Return the plane `(H, W)` that `to_blocks` cut into `blocks`."""
    rows, columns = blocks.shape[:2]
    return blocks.swapaxes(1, 2).reshape(rows * BLOCK, columns * BLOCK)


def forward(plane: Floats) -> Floats:
    """Return the DCT coefficients `[block row, block column, v, u]` of a level-shifted plane `(H, W)`.

    Args:
        plane: samples in 8-bit steps around 0; H and W multiples of 8.
    """
    blocks = to_blocks(plane)
    flat = blocks.reshape(-1, BLOCK * BLOCK)
    return (flat @ _kernel(plane.dtype).T).reshape(blocks.shape)


def inverse(coefficients: Floats) -> Floats:
    """Return the plane `(H, W)`, level-shifted, not rounded and not clipped, of dequantized coefficients."""
    flat = coefficients.reshape(-1, BLOCK * BLOCK)
    return from_blocks((flat @ _kernel(coefficients.dtype)).reshape(coefficients.shape))
