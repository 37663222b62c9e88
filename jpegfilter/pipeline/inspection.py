"""What can be said of a JPEG without decoding it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jpegfilter.codec import read
from jpegfilter.codec.read import Header
from jpegfilter.jpeg import sampling, tables


def _subsampling(header: Header) -> str:
    chroma = header.factors[1:3]
    if not chroma:
        return "none"
    if header.factors[0] == (1, 1) and len(set(chroma)) == 1:
        return sampling.name(*chroma[0])
    return "mixed: " + ", ".join(f"{down}x{across}" for down, across in header.factors)


def inspect(path: Path, *, max_pixels: int = read.MAX_PIXELS) -> dict[str, Any]:
    """Return what a JPEG's header says, as plain values.

    Keys: `file`, `bytes`, `process`, `width`, `height`, `color`, `subsampling`, `quality` (the IJG quality nearest to
    the luma table), `standard_tables` (whether all tables are the IJG's own), `tables` (by number, rows `v` of columns
    `u`), `orientation`, `dpi`, `metadata` (bytes of each kind).

    Raises:
        InputError: as `codec.read.read_header`.
    """
    header = read.read_header(path, max_pixels=max_pixels)
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
    }
