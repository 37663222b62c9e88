"""Reading pictures that are no JPEG files, though their samples may have been JPEG once."""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from jpegfilter.codec.metadata import Metadata, of_image
from jpegfilter.codec.read import MAX_PIXELS
from jpegfilter.errors import BrokenImageError, InputError, NotAnImageError, UnsupportedError
from jpegfilter.jpeg.types import Pixels

_PLAIN = ("L", "RGB", "I;16")
_CONVERTED = {"1": "L", "P": "RGB", "LA": "L", "RGBA": "RGB", "RGBX": "RGB", "PA": "RGB", "YCbCr": "RGB"}
"""Modes that are restored as another one; transparency is kept beside."""
_PNG = b"\x89PNG\r\n\x1a\n"
_MAGIC = (_PNG, b"RIFF", b"BM", b"II*\0", b"MM\0*", b"P5", b"P6")
_DAMAGE = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, struct.error)
"""What Pillow raises on damaged files."""


@dataclass(frozen=True, slots=True)
class Raster:
    """A picture as samples.

    Attributes:
        pixels: `(H, W, 1)` or `(H, W, 3)`, 8 or 16 bits.
        alpha: opacity `(H, W)`, 8 bits, or None.
        metadata: ICC profile, EXIF and so on.
        complaints: what could not be read, for people.
    """

    pixels: Pixels
    alpha: NDArray[np.uint8] | None
    metadata: Metadata
    complaints: tuple[str, ...] = ()


def is_raster(path: Path) -> bool:
    """Return whether a file begins as PNG, WebP, BMP, TIFF or PNM files do."""
    try:
        with path.open("rb") as file:
            return file.read(len(_PNG)).startswith(_MAGIC)
    except OSError:
        return False


def of_pillow(image: Image.Image) -> Raster:
    """Return a Pillow image's samples.

    Raises:
        UnsupportedError: a mode that is neither gray nor RGB.
    """
    if image.mode not in _PLAIN and image.mode not in _CONVERTED:
        raise UnsupportedError("a gray or RGB picture", f"mode {image.mode}", "convert it with another program")
    metadata = of_image(image)
    alpha = np.array(image.convert("RGBA").getchannel("A")) if image.has_transparency_data else None
    array = np.array(image if image.mode in _PLAIN else image.convert(_CONVERTED[image.mode]))
    return Raster(array[..., None] if array.ndim == 2 else array, alpha, metadata)


def _halved(image: ImageFile) -> bool:
    """Return whether Pillow will read 16-bit colors as 8-bit ones: before it has, it says what is in the file."""
    return image.mode != "I;16" and any(";16" in str(tile[3]) for tile in image.tile)


def read(path: Path, *, max_pixels: int = MAX_PIXELS) -> Raster:
    """Return the samples of a picture file that is no JPEG.

    Raises:
        InputError: the file cannot be opened.
        NotAnImageError, BrokenImageError, UnsupportedError: see `errors`.
    """
    try:
        # Pillow warns of its own limit of pixels, where ours is asked, and of damage it can read past.
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            if image.width * image.height > max_pixels:
                size = f"{image.width}x{image.height}"
                limit = f"at most {max_pixels / 1e6:.0f} megapixels"
                raise UnsupportedError(limit, size, "raise the limit if the file is trusted")
            if getattr(image, "n_frames", 1) > 1:
                raise UnsupportedError("a single picture", f"{image.n_frames}", "take the pictures apart first")  # type: ignore[attr-defined]
            lost = ("its colors were read with 8 of their 16 bits",) if _halved(image) else ()
            raster = of_pillow(image)
    except UnidentifiedImageError as error:
        raise NotAnImageError(f"a picture in {path}", "something else", "name a picture file") from error
    except FileNotFoundError as error:
        raise InputError("a readable file", error.strerror or str(error), "check the name") from error
    except Image.DecompressionBombError as error:
        raise UnsupportedError("a picture that Pillow opens", str(error), "make it smaller, or a JPEG") from error
    except _DAMAGE as error:
        raise BrokenImageError("a whole picture", str(error), "the file is damaged") from error
    return replace(raster, complaints=lost)
