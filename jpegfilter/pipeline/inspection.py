"""What can be said of a JPEG without decoding it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jpegfilter.codec import raster, read
from jpegfilter.codec.read import Header
from jpegfilter.jpeg import sampling, tables
from jpegfilter.jpeg.past import Past
from jpegfilter.pipeline.told import jpeg_past, pixels_past


def _subsampling(header: Header) -> str:
    chroma = header.factors[1:3]
    if not chroma:
        return "none"
    if header.factors[0] == (1, 1) and len(set(chroma)) == 1:
        return sampling.name(*chroma[0])
    return "mixed: " + ", ".join(f"{down}x{across}" for down, across in header.factors)


def _past(found: Past | None) -> dict[str, Any] | None:
    """Return an earlier compression as plain values."""
    return {"quality": found.quality, "top": found.top, "left": found.left} if found else None


def _inspect_raster(path: Path, *, max_pixels: int) -> dict[str, Any]:
    picture = raster.read(path, max_pixels=max_pixels)
    height, width, channels = picture.pixels.shape
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "process": None,
        "width": width,
        "height": height,
        "color": "gray" if channels == 1 else "RGB",
        "past": _past(pixels_past(picture.pixels)),
    }


def inspect(path: Path, *, max_pixels: int = read.MAX_PIXELS) -> dict[str, Any]:
    """Return what a JPEG's header says, and what its coefficients tell of an earlier compression, as plain values.

    Keys: `file`, `bytes`, `process`, `width`, `height`, `color`, `subsampling`, `quality` (the IJG quality nearest to
    the luma table), `standard_tables` (whether all tables are the IJG's own), `tables` (by number, rows `v` of columns
    `u`), `orientation`, `dpi`, `metadata` (bytes of each kind), `past` (None, or `quality`, `top` and `left` of an
    earlier, coarser compression: see `jpeg.past.Past`). Other picture files: `file`, `bytes`, `width`, `height`,
    `color`, `past`, and None as their `process`.

    Raises:
        InputError: as `codec.read.read` and `codec.raster.read`.
    """
    if raster.is_raster(path):
        return _inspect_raster(path, max_pixels=max_pixels)
    file = read.read(path, max_pixels=max_pixels)
    header = file.header
    bases = [tables.LUMA] + [tables.CHROMA] * 3
    used = [
        (header.tables[n], base) for n, base in zip(header.table_numbers, bases, strict=False) if n in header.tables
    ]
    metadata = header.metadata
    kinds = {"icc": metadata.icc, "exif": metadata.exif, "xmp": metadata.xmp, "comment": metadata.comment}
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "process": header.process,
        "width": header.width,
        "height": header.height,
        "color": header.model.value,
        "subsampling": _subsampling(header),
        "quality": tables.estimate_quality(used[0][0]) if used else None,
        "standard_tables": bool(used)
        and all(tables.is_ijg(t, tables.LUMA) or tables.is_ijg(t, base) for t, base in used),
        "tables": {str(number): table.tolist() for number, table in sorted(header.tables.items())},
        "orientation": metadata.orientation,
        "dpi": metadata.dpi,
        "metadata": {kind: len(content) for kind, content in kinds.items() if content},
        "past": _past(jpeg_past(file.image)),
    }
