"""RGB pictures of 16 bits a sample, which Pillow cannot write: PNG through pypng, TIFF through tifffile."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from jpegfilter.codec.metadata import Metadata
from jpegfilter.jpeg.types import Pixels

_METRE = 39.3700787
"""Inches in a metre."""


def encode(pixels: Pixels, metadata: Metadata, kind: str, file: BinaryIO) -> list[str]:
    """Write 16-bit RGB `(H, W, 3)` as "png" or "tiff" and return what could not be kept."""
    if kind == "png":
        _png(pixels, metadata, file)
        return []
    return _tiff(pixels, metadata, file)


def _png_metadata(metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks (PNG specification, 11.3) that stand between the header and the pixels."""
    if metadata.icc:
        yield b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc)
    if metadata.dpi:
        yield b"pHYs", struct.pack(">IIB", *(round(dots * _METRE) for dots in metadata.dpi), 1)
    if metadata.exif:
        yield b"eXIf", metadata.exif.removeprefix(b"Exif\0\0")
    for keyword, text in ((b"XML:com.adobe.xmp", metadata.xmp), (b"Comment", metadata.comment)):
        if text:
            yield b"iTXt", keyword + b"\0\0\0\0\0" + text.decode("utf-8", "replace").encode()


def _png(pixels: Pixels, metadata: Metadata, file: BinaryIO) -> None:
    import png

    height, width, _ = pixels.shape
    plain = io.BytesIO()
    rows = (row.astype(">u2").tobytes() for row in pixels)
    png.Writer(width, height, greyscale=False, bitdepth=16, compression=1).write_packed(plain, rows)
    plain.seek(0)
    chunks = png.Reader(file=plain).chunks()
    png.write_chunks(file, [next(chunks), *_png_metadata(metadata), *chunks])


def _tiff(pixels: Pixels, metadata: Metadata, file: BinaryIO) -> list[str]:
    import tifffile

    lost = []
    tags: list[tuple[int, str, int, bytes | int, bool]] = []
    if metadata.xmp:
        tags.append((700, "B", len(metadata.xmp), metadata.xmp, True))
    if metadata.orientation:
        tags.append((274, "H", 1, metadata.orientation, True))
    if metadata.exif:
        lost.append("of the EXIF data only the orientation is kept in a 16-bit TIFF")
    tifffile.imwrite(
        file, pixels, photometric="rgb", metadata=None, software="jpegfilter", iccprofile=metadata.icc,
        resolution=metadata.dpi, resolutionunit="INCH" if metadata.dpi else None, extratags=tags,
    )  # fmt: skip
    return lost
