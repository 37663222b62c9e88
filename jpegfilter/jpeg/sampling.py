"""Sampling geometry: how components of different resolution meet on one grid. See docs/math.md, section 3.

Chroma is centred (T.871, 6.2): the mean of a cell of `down` x `across` samples stands in its middle.
"""

from __future__ import annotations

import numpy as np

from jpegfilter.jpeg.types import Floats

FACTORS: dict[str, tuple[int, int]] = {
    "4:4:4": (1, 1),
    "4:2:2": (1, 2),
    "4:2:0": (2, 2),
    "4:4:0": (2, 1),
    "4:1:1": (1, 4),
    "4:1:0": (2, 4),
    "4:4:1": (4, 1),
}
"""Luma samples down and across for one chroma sample."""


def name(down: int, across: int) -> str:
    """Return the usual name of chroma sampling, or `"<down>x<across>"` where it has none."""
    for label, factors in FACTORS.items():
        if factors == (down, across):
            return label
    return f"{down}x{across}"


def _interpolate_rows(plane: Floats, factor: int) -> Floats:
    """Return the plane with each row replaced by `factor` rows, linear between centres, the edge rows held."""
    if factor == 1:
        return plane
    rows, columns = plane.shape
    out = np.empty((rows, factor, columns), plane.dtype)
    before = np.concatenate((plane[:1], plane[:-1]))
    after = np.concatenate((plane[1:], plane[-1:]))
    for phase in range(factor):
        offset = (phase + 0.5) / factor - 0.5
        neighbour = before if offset < 0 else after
        share = plane.dtype.type(abs(offset))
        np.multiply(plane, 1 - share, out=out[:, phase])
        out[:, phase] += share * neighbour
    return out.reshape(rows * factor, columns)


def upsample(plane: Floats, *, down: int, across: int) -> Floats:
    """Return the plane `(H, W)` at `(H * down, W * across)`, by linear interpolation between sample centres.

    Edge samples are held beyond the outermost centres. For a factor of 2 this is libjpeg's "fancy" upsampling without
    its rounding.
    """
    tall = _interpolate_rows(plane, down)
    if across == 1:
        return tall
    return np.ascontiguousarray(_interpolate_rows(np.ascontiguousarray(tall.T), across).T)


def replicate(plane: Floats, *, down: int, across: int) -> Floats:
    """Return the plane with every sample repeated over its cell: libjpeg's plain upsampling."""
    if down == across == 1:
        return plane
    height, width = plane.shape
    cells = np.broadcast_to(plane[:, None, :, None], (height, down, width, across))
    return cells.reshape(height * down, width * across)


def average(plane: Floats, *, down: int, across: int) -> Floats:
    """Return the mean of every cell of the plane `(H, W)`: the subsampling operator of the IJG's compressor, unrounded.

    H and W must be multiples of the cell. `average(replicate(x)) == x`, and `replicate` is `average`'s pseudo-inverse.
    """
    if down == across == 1:
        return plane
    height, width = plane.shape
    total = plane[:, 0::across].copy()
    for column in range(1, across):
        total += plane[:, column::across]
    rows = total.reshape(height // down, down, width // across)
    mean: Floats = rows.sum(1) if down > 1 else rows[:, 0]
    mean *= mean.dtype.type(1 / (down * across))
    return mean


def hold_edges(plane: Floats, height: int, width: int) -> Floats:
    """Return the plane cut, or continued by its last row and column, to `(height, width)`."""
    plane = plane[:height, :width]
    missing = height - plane.shape[0], width - plane.shape[1]
    if missing == (0, 0):
        return plane
    return np.pad(plane, ((0, missing[0]), (0, missing[1])), mode="edge")
