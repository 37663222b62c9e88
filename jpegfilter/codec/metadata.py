"""What a file says beside its pixels, and how each output format carries it."""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image, PngImagePlugin

_XMP_TAG = 700
"""TIFF tag of an XMP packet (XMP specification, part 3)."""
_ORIENTATION_TAG = 0x0112
_LAYOUT_TAGS = (254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 282, 283, 284, 292, 293, 296, 317, 320, 322,
                323, 324, 325, 330, 338, 339, 347, 512, 513, 514, 529, 530, 531, 532)  # fmt: skip
"""Tags of a first directory that describe the pixels of the file it came from (TIFF 6.0): not of any other file."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """Metadata as raw bytes, carried over unread.

    Attributes:
        icc: ICC profile of the pixels.
        exif: EXIF block, with its "Exif" header; the orientation in it is kept, and pixels are not turned.
        xmp: XMP packet.
        dpi: horizontal and vertical resolution in dots an inch.
        comment: the file's comment.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    comment: bytes | None = None

    @property
    def orientation(self) -> int | None:
        """The EXIF orientation 1..8, or None."""
        if not self.exif:
            return None
        exif = Image.Exif()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow warns of damage it can read past
                exif.load(self.exif)
                value = exif.get(_ORIENTATION_TAG)
        except (OSError, SyntaxError, ValueError, KeyError, TypeError, struct.error):
            return None
        return value if isinstance(value, int) and 1 <= value <= 8 else None

    def without_profile(self) -> Metadata:
        """Return the metadata for pixels that have left their profile's color space."""
        return replace(self, icc=None)


def of_image(image: Image.Image) -> Metadata:
    """Return the metadata that Pillow found in a file."""
    info = image.info
    dpi = info.get("dpi")
    return Metadata(
        icc=info.get("icc_profile") or None,
        exif=info.get("exif") or None,
        xmp=info.get("xmp") or None,
        dpi=(float(dpi[0]), float(dpi[1])) if dpi and all(dpi) else None,
        comment=info.get("comment") or None,
    )


def save_options(metadata: Metadata, kind: str) -> dict[str, Any]:
    """Return the arguments by which Pillow's `save` writes `metadata` into a format: "PNG", "TIFF", "WEBP", ..."""
    options: dict[str, Any] = {"icc_profile": metadata.icc}
    if metadata.exif:
        options["exif"] = metadata.exif
    if metadata.dpi and kind in ("PNG", "TIFF", "JPEG"):
        options["dpi"] = metadata.dpi
    if metadata.xmp and kind in ("WEBP", "AVIF", "JPEG"):
        options["xmp"] = metadata.xmp
    if kind == "PNG":
        text = PngImagePlugin.PngInfo()
        if metadata.xmp:
            text.add_itxt("XML:com.adobe.xmp", metadata.xmp.decode("utf-8", "replace"))
        if metadata.comment:
            text.add_itxt("Comment", metadata.comment.decode("utf-8", "replace"))
        options["pnginfo"] = text
    if kind == "JPEG" and metadata.comment:
        options["comment"] = metadata.comment
    if kind == "TIFF":
        options["exif"] = _tiff_tags(metadata)
    return {name: value for name, value in options.items() if value}


def _tiff_tags(metadata: Metadata) -> bytes | None:
    """Return EXIF and XMP as one TIFF directory; raises what Pillow raises on a damaged EXIF block."""
    exif = Image.Exif()
    if metadata.exif:
        exif.load(metadata.exif)
        for tag in _LAYOUT_TAGS:
            if tag in exif:
                del exif[tag]
    if metadata.xmp:
        exif[_XMP_TAG] = metadata.xmp
    return exif.tobytes() if len(exif) else None


def profile_file(metadata: Metadata) -> io.BytesIO | None:
    """Return the ICC profile as a file for Pillow's color management."""
    return io.BytesIO(metadata.icc) if metadata.icc else None
