"""How much of a plane agrees with the file it was restored from.

A file states for each coefficient only the interval `[(k - 1/2) q, (k + 1/2) q]` it was rounded from; see
`jpegfilter.jpeg.bounds`.
"""

from __future__ import annotations

import numpy as np

from jpegfilter.jpeg import dct
from jpegfilter.jpeg.types import Coefficients, Floats, Table


def share_inside(plane: Floats, coefficients: Coefficients, table: Table, *, tolerance: float = 1e-3) -> float:
    """Return the share of a plane's DCT coefficients that lie inside the intervals a file states for them.

    Args:
        plane: level-shifted `(H, W)`, both multiples of 8, at the component's own resolution; neither rounded nor
            clipped here.
        coefficients: quantized, `[block row, block column, v, u]`, `(H / 8, W / 8, 8, 8)`.
        table: quantization steps `[v, u]`, `(8, 8)`.
        tolerance: by how much, in the unit of the coefficients, one may lie outside and still count as inside. The
            default allows for the rounding of float32 samples.

    Returns:
        0..1; 1 for a plane that this very file could have come from.

    Raises:
        ValueError: the shapes do not belong together.

    Example:
        >>> coefficients = np.zeros((1, 2, 8, 8), np.int16)
        >>> table = np.full((8, 8), 10, np.uint16)
        >>> share_inside(np.zeros((8, 16)), coefficients, table)
        1.0
        >>> coefficients[0, 0, 0, 0] = 1
        >>> share_inside(np.zeros((8, 16)), coefficients, table)
        0.9921875
    """
    rows, columns = coefficients.shape[:2]
    if plane.shape != (rows * dct.BLOCK, columns * dct.BLOCK) or coefficients.shape[2:] != (dct.BLOCK, dct.BLOCK):
        raise ValueError(f"wanted coefficients of the plane's blocks, got {coefficients.shape} for {plane.shape}")
    if table.shape != (dct.BLOCK, dct.BLOCK):
        raise ValueError(f"wanted a table of shape {(dct.BLOCK, dct.BLOCK)}, got {table.shape}")
    steps = np.asarray(table, np.float64)
    distance = np.abs(dct.forward(np.asarray(plane, np.float64)) - coefficients * steps)
    return float(np.mean(distance <= steps / 2 + tolerance))
