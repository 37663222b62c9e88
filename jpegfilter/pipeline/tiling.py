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
    wide = Region(region.top - rows, region.left - columns, region.bottom + rows, region.right + columns)
    return within(wide, height=height, width=width)


def around(region: Region, *, by: int) -> Region:
    """Return the region with `by` samples more on each side, wherever they lie."""
    return Region(region.top - by, region.left - by, region.bottom + by, region.right + by)


def common(one: Region, other: Region) -> Region:
    """Return what lies in both regions."""
    return Region(
        max(one.top, other.top),
        max(one.left, other.left),
        min(one.bottom, other.bottom),
        min(one.right, other.right),
    )


def within(region: Region, *, height: int, width: int) -> Region:
    """Return the part of a region that lies inside `(height, width)`."""
    return common(region, Region(0, 0, height, width))


def window(inner: Region, outer: Region) -> tuple[slice, slice]:
    """Return the slices that cut `inner` from an array that covers `outer`."""
    return (
        slice(inner.top - outer.top, inner.bottom - outer.top),
        slice(inner.left - outer.left, inner.right - outer.left),
    )


def common_step(mcu: tuple[int, int], multiple: int) -> tuple[int, int]:
    """Return the step that both the blocks and the network's cells allow, vertically and horizontally."""
    return math.lcm(mcu[0], multiple), math.lcm(mcu[1], multiple)


def mirror(planes: Floats, wanted: Region, seen: Region, *, multiple: int) -> Floats:
    """Return planes that cover `wanted`, and a little more at the bottom and right until both sides are multiples.

    What lies outside the picture is its mirror image: a network that saw its own zero padding there would darken or
    brighten the outermost samples.

    Args:
        planes: `(C, H, W)`, which cover `seen`.
        wanted: may reach outside the picture on any side.
        seen: `wanted` cut to the picture.
        multiple: what the sides must be multiples of.
    """
    rows = seen.top - wanted.top, wanted.bottom - seen.bottom + -wanted.height % multiple
    columns = seen.left - wanted.left, wanted.right - seen.right + -wanted.width % multiple
    return np.pad(planes, ((0, 0), rows, columns), mode="symmetric")
