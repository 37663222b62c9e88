"""The eight ways to look at a square: a network's results of all, turned back and averaged, err less than one alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from jpegfilter.jpeg.types import Floats, Table

VIEWS = 8
"""Mirrored left to right or not (1), top to bottom or not (2), along the diagonal or not (4)."""


def turned(array: Floats, view: int) -> Floats:
    """Return an array `(..., H, W)` as seen in view 0..7; view 0 is the array itself."""
    if view & 1:
        array = array[..., ::-1]
    if view & 2:
        array = array[..., ::-1, :]
    return array.swapaxes(-1, -2) if view & 4 else array


def turned_back(array: Floats, view: int) -> Floats:
    """Undo `turned`."""
    array = array.swapaxes(-1, -2) if view & 4 else array
    if view & 2:
        array = array[..., ::-1, :]
    return array[..., ::-1] if view & 1 else array


def average(
    restore: Callable[[Floats, Sequence[Table]], Floats], planes: Floats, tables: Sequence[Table], views: int
) -> Floats:
    """Return the mean of what `restore` makes of the first `views` views of `planes` and of tables turned alike.

    A mirror image has mirrored blocks, whose tables are the same; along the diagonal, tables change rows for columns.
    """
    total = restore(planes, tables)
    for view in range(1, views):
        told = [table.T if view & 4 else table for table in tables]
        total = total + turned_back(restore(np.ascontiguousarray(turned(planes, view)), told), view)
    return total if views == 1 else total / np.float32(views)
