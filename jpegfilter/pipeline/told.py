"""What a network is told of a picture: tables and grid, as the file says or as the picture shows traces of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from jpegfilter.jpeg import color, decode, past, tables
from jpegfilter.jpeg.decode import Region
from jpegfilter.jpeg.image import JpegImage
from jpegfilter.jpeg.past import Past
from jpegfilter.jpeg.types import Floats, Pixels, Table

Quality: TypeAlias = int | Literal["auto", "header"]
"""An IJG quality to believe in; or what the file says ("header"), or that unless it shows traces of worse ("auto")."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a network is told.

    Attributes:
        tables: of luma and chroma, `[v, u]`.
        top: rows above the first whole block, 0..7.
        left: columns left of the first whole block, 0..7.
        from_file: these are the file's own tables and grid, so that its intervals hold.
    """

    tables: tuple[Table, Table]
    top: int = 0
    left: int = 0
    from_file: bool = False


def _at(quality: int, top: int = 0, left: int = 0) -> Told:
    return Told((tables.ijg_table(tables.LUMA, quality), tables.ijg_table(tables.CHROMA, quality)), top, left)


def jpeg_past(image: JpegImage) -> Past | None:
    """Return the earlier, coarser compression that a JPEG shows traces of, or None."""
    luma = image.components[0]
    if not (image.model.is_luma_chroma or len(image.components) == 1) or luma.down != 1 or luma.across != 1:
        return None
    height, width = image.height // 8 * 8, image.width // 8 * 8
    parts = [
        np.ascontiguousarray(
            np.clip(
                decode.samples(decode.cut(luma, Region(rows.start, columns.start, rows.stop, columns.stop))), -128, 127
            )
        )
        for rows, columns in past.windows(height, width)
    ]
    return past.find([part for part in parts if part.size], luma.table)


def pixels_past(pixels: Pixels) -> Past | None:
    """Return the compression that samples `(H, W, C)` show traces of, or None."""

    def luma(part: Pixels) -> Floats:
        planes = color.from_pixels(part)
        plane: Floats = planes[0] if len(planes) == 1 else color.ycbcr_from_rgb(planes)[0]
        return plane

    return past.find([luma(pixels[place]) for place in past.windows(*pixels.shape[:2])], None)


def of_jpeg(image: JpegImage, quality: Quality) -> Told:
    """Return what a network is told of a JPEG."""
    if not isinstance(quality, str):
        return _at(quality)
    found = jpeg_past(image) if quality == "auto" else None
    if found is not None:
        return _at(found.quality, found.top, found.left)
    chroma = image.components[min(1, len(image.components) - 1)]
    return Told((image.components[0].table, chroma.table), from_file=True)


def of_pixels(pixels: Pixels, quality: Quality) -> Told | None:
    """Return what a network is told of samples without a file; None where there is nothing to restore."""
    if not isinstance(quality, str):
        return _at(quality)
    found = pixels_past(pixels) if quality == "auto" else None
    return _at(found.quality, found.top, found.left) if found else None
