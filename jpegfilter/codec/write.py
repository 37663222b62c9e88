"""Writing pictures: under a temporary name, renamed when whole, with their metadata."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageCms

from jpegfilter.codec import sixteen
from jpegfilter.codec.canvas import Canvas
from jpegfilter.codec.metadata import Metadata, profile_file, save_options
from jpegfilter.errors import OutputError, UsageError


@dataclass(frozen=True, slots=True)
class Format:
    """An output format.

    Attributes:
        name: as on the command line.
        pillow: Pillow's name of it.
        suffixes: file name endings, the usual one first.
        bits: sample sizes it can hold here.
        cmyk: whether it can hold ink amounts.
        limit: longest side it can hold.
    """

    name: str
    pillow: str
    suffixes: tuple[str, ...]
    bits: tuple[int, ...]
    cmyk: bool
    limit: int


FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        Format("png", "PNG", (".png",), (8, 16), cmyk=False, limit=2**31 - 1),
        Format("tiff", "TIFF", (".tif", ".tiff"), (8, 16), cmyk=True, limit=2**31 - 1),
        Format("webp", "WEBP", (".webp",), (8,), cmyk=False, limit=16383),
        Format("avif", "AVIF", (".avif",), (8,), cmyk=False, limit=65535),
        Format("jpeg", "JPEG", (".jpg", ".jpeg"), (8,), cmyk=True, limit=65500),
    )
}
"""Every format that can be written."""


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How to write.

    Attributes:
        format: a name from `FORMATS`.
        bits: 8 or 16.
        quality: 1..100 for JPEG and AVIF, and for WebP where given; None writes WebP without loss, and JPEG and AVIF
            at 95.
        keep_metadata: carry ICC profile, EXIF, XMP and resolution over; without, only the ICC profile, which the
            colors need.
    """

    format: str = "png"
    bits: int = 8
    quality: int | None = None
    keep_metadata: bool = True


_LOSSY_QUALITY = 95
_PNG_LEVEL = 1
"""zlib's quickest: on photographs some 3 % larger than level 6 and several times as fast (benchmarks/speed.md)."""
_METADATA_ERRORS = (SyntaxError, ValueError, KeyError, TypeError, RuntimeError, struct.error)


def format_of(path: Path) -> str:
    """Return the name of the format that a file name's ending asks for; raises `UsageError` for an unknown one."""
    for name, kind in FORMATS.items():
        if path.suffix.lower() in kind.suffixes:
            return name
    endings = " ".join(kind.suffixes[0] for kind in FORMATS.values())
    raise UsageError(
        "an output name that ends in a known format", repr(path.name), f"use one of {endings}, or --format"
    )


def check(options: WriteOptions) -> None:
    """Raise `UsageError` where a format cannot do what the options ask."""
    kind = FORMATS[options.format]
    if options.bits not in kind.bits:
        able = ", ".join(name for name, other in FORMATS.items() if options.bits in other.bits)
        raise UsageError(f"a format with {options.bits} bits a sample", options.format, f"choose {able}")


def rgb_from_cmyk(image: Image.Image, metadata: Metadata) -> tuple[Image.Image, Metadata]:
    """Return an ink picture as RGB and the metadata that still holds: by its profile into sRGB where it has one."""
    profile = profile_file(metadata)
    if profile is not None:
        try:
            srgb = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(profile), srgb, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            converted = None
        if converted is not None:
            return converted, metadata.without_profile()
    return image.convert("RGB"), metadata.without_profile()


def _pillow_options(options: WriteOptions, kind: Format) -> dict[str, object]:
    if kind.name == "png":
        return {"compress_level": _PNG_LEVEL}
    if kind.name == "tiff":
        return {}  # uncompressed: Pillow cannot write an EXIF directory through libtiff
    if kind.name == "webp" and options.quality is None:
        return {"lossless": True, "quality": 50, "method": 1, "exact": True}
    quality = options.quality or _LOSSY_QUALITY
    if kind.name == "jpeg":
        return {"quality": quality, "subsampling": 0}
    if kind.name == "avif":
        return {"quality": quality, "subsampling": "4:4:4"}
    return {"quality": quality}


def encode(canvas: Canvas, metadata: Metadata, options: WriteOptions, file: BinaryIO) -> list[str]:
    """Write a picture into an open, empty, seekable file and return what could not be kept, for people.

    Raises:
        OutputError: the format cannot hold the picture.
    """
    kind = FORMATS[options.format]
    lost: list[str] = []
    if max(canvas.width, canvas.height) > kind.limit:
        size = f"{canvas.width}x{canvas.height}"
        raise OutputError(f"at most {kind.limit} samples a side in {kind.name}", size, "choose another format")
    if not options.keep_metadata:
        metadata = Metadata(icc=metadata.icc)
    opaque = kind.name == "jpeg" or options.bits == 16
    if canvas.alpha is not None and opaque:
        lost.append("transparency, which is not written into " + ("16-bit files" if options.bits == 16 else "a JPEG"))
    if options.bits == 16 and canvas.channels > 1:
        if canvas.channels == 4:
            raise OutputError("gray or RGB for 16 bits", "CMYK", "choose 8 bits")
        return lost + sixteen.encode(canvas.pixels(), metadata, kind.name, file)
    image = canvas.image(opaque=opaque)
    if image.mode == "CMYK" and not kind.cmyk:
        image, metadata = rgb_from_cmyk(image, metadata)
        lost.append("CMYK became RGB, which is what this format holds")
    damage: Exception | None = None
    for kept in dict.fromkeys((metadata, Metadata(icc=metadata.icc), Metadata())):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow warns of metadata it can read past
                image.save(file, kind.pillow, **_pillow_options(options, kind) | save_options(kept, kind.pillow))
        except _METADATA_ERRORS as error:
            damage = error
            file.seek(0)
            file.truncate()
            continue
        if damage is not None:
            lost.append(f"the metadata is damaged and was left out ({damage})")
        return lost
    raise OutputError(f"a picture that {kind.name} can hold", str(damage)) from damage


@contextlib.contextmanager
def _renamed_when_whole(path: Path) -> Iterator[BinaryIO]:
    """Lend a file beside `path` that takes its name when the block ends well and vanishes when it does not."""
    if path.exists() and not path.is_file():  # a device or a pipe: there is nothing to rename
        buffer = io.BytesIO()
        yield buffer
        path.write_bytes(buffer.getbuffer())
        return
    path = Path(os.path.realpath(path))
    if path.is_symlink():  # it leads back to itself
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    partial = path.with_name(f".jpegfilter-{secrets.token_hex(4)}.partial")
    try:
        with partial.open("x+b") as file:
            yield file
        partial.replace(path)
    finally:
        with contextlib.suppress(OSError):  # there is nothing left of it once it has its name
            partial.unlink()


def write(canvas: Canvas, metadata: Metadata, options: WriteOptions, path: Path) -> list[str]:
    """Write a picture file, whole or not at all, and return what could not be kept, for people.

    Raises:
        OutputError: the file cannot be written; whatever was there before is as it was.
    """
    try:
        with _renamed_when_whole(path) as file:
            return encode(canvas, metadata, options, file)
    except OSError as error:
        raise OutputError(f"to write {path}", error.strerror or str(error), "choose another place") from error


def to_bytes(canvas: Canvas, metadata: Metadata, options: WriteOptions) -> tuple[bytes, list[str]]:
    """Return an encoded picture and what could not be kept."""
    file = io.BytesIO()
    lost = encode(canvas, metadata, options, file)
    return file.getvalue(), lost
