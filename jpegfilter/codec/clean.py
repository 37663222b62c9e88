"""Clean pictures in lossless files, for training and for scoring, and what Pillow's encoder makes of them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from jpegfilter.errors import BrokenImageError, NotAnImageError

SUFFIXES = frozenset({".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm"})
"""Endings of formats without loss (as far as an ending tells): a JPEG is no clean picture."""
SUBSAMPLINGS = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}
"""Pillow's numbers of the subsamplings it writes."""


def pictures(folder: Path) -> list[Path]:
    """Return the lossless pictures of a folder, in order of their names."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Return the 8-bit RGB pixels `(H, W, 3)` of a picture file; transparency is dropped.

    Raises:
        NotAnImageError: not a picture that Pillow knows.
        BrokenImageError: a picture that cannot be read to its end.
    """
    try:
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))
    except UnidentifiedImageError as error:
        raise NotAnImageError(f"a picture in {path}", "something else", "name a picture file") from error
    except OSError as error:
        raise BrokenImageError(f"a whole picture in {path}", str(error)) from error


def compress(pixels: NDArray[np.uint8], *, quality: int, subsampling: str = "4:2:0") -> bytes:
    """Return RGB pixels `(H, W, 3)` as a JPEG by Pillow's encoder.

    Args:
        quality: 1 to 100.
        subsampling: a name from `SUBSAMPLINGS`.
    """
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=SUBSAMPLINGS[subsampling])
    return file.getvalue()


def decode(content: bytes) -> NDArray[np.uint8]:
    """Return Pillow's decode of a picture as RGB `(H, W, 3)`."""
    with Image.open(io.BytesIO(content)) as image:
        return np.array(image.convert("RGB"))
