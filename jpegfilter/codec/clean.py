"""Clean pictures in lossless files, for training and for scoring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from jpegfilter.errors import BrokenImageError, NotAnImageError


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
