"""Cutting a picture into tiles whose results, put together, equal the result of the whole."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from jpegfilter.jpeg.decode import Region
from jpegfilter.jpeg.types import Floats


def tiles(height: int, width: int, *, side: int, step: tuple[int, int]) -> Iterator[Region]:
    """Yield regions that cover the grid `(height, width)` row by row.

    Args:
        side: largest side of a tile; rounded down to whole steps, at least one.
        step: what the tiles' edges are multiples of, vertically and horizontally; so are `height` and `width`.
    """
    rows, columns = (max(1, side // s) * s for s in step)
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            yield Region(top, left, min(top + rows, height), min(left + columns, width))


def widen(region: Region, *, by: int, step: tuple[int, int], height: int, width: int) -> Region:
    """Return the region with at least `by` samples more on each side, in whole steps, inside `(height, width)`."""
    rows, columns = (-(-by // s) * s for s in step)
    return Region(
        max(0, region.top - rows),
        max(0, region.left - columns),
        min(height, region.bottom + rows),
        min(width, region.right + columns),
    )


def window(inner: Region, outer: Region) -> tuple[slice, slice]:
    """Return the slices that cut `inner` from an array that covers `outer`."""
    return (
        slice(inner.top - outer.top, inner.bottom - outer.top),
        slice(inner.left - outer.left, inner.right - outer.left),
    )


def common_step(mcu: tuple[int, int], multiple: int) -> tuple[int, int]:
    """Return the step that both the blocks and the network's cells allow, vertically and horizontally."""
    return math.lcm(mcu[0], multiple), math.lcm(mcu[1], multiple)


def pad(planes: Floats, multiple: int) -> Floats:
    """Return `(C, H, W)` with its last row and column held until both sides are multiples."""
    _, height, width = planes.shape
    more = -height % multiple, -width % multiple
    return np.pad(planes, ((0, 0), (0, more[0]), (0, more[1])), mode="edge") if any(more) else planes
