"""GIMP's memory of a JPEG that it opened: the image parasite "jpeg-settings"."""

from __future__ import annotations

import numpy as np

from jpegfilter.jpeg import tables as ijg
from jpegfilter.jpeg.types import Table

NAME = "jpeg-settings"
_HEAD = 4
"""Bytes before the sampling factors: color space, IJG quality, number of components, number of tables."""
_TABLE = 128
"""Bytes of a table: 64 numbers of two bytes, high byte first, row by row."""


def tables(content: bytes) -> tuple[Table, Table] | None:
    """Return the tables of luma and chroma that a parasite tells of, or None where it tells of none.

    A quality without tables stands for the IJG's own; one table alone serves chroma, too.
    """
    if len(content) < _HEAD:
        return None
    quality, components, count = content[1], content[2], content[3]
    start = _HEAD + 2 * components
    if count == 0:
        if not 1 <= quality <= 100:
            return None
        return ijg.ijg_table(ijg.LUMA, quality), ijg.ijg_table(ijg.CHROMA, quality)
    if len(content) < start + count * _TABLE:
        return None
    numbers = np.frombuffer(content, ">u2", count * 64, start).astype(np.uint16).reshape(count, 8, 8)
    if not numbers.all():
        return None
    return numbers[0], numbers[min(1, count - 1)]
