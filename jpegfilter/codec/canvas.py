"""The picture being made, filled tile by tile, in the layout its encoder wants, so that it is held once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jpegfilter.jpeg.types import Pixels

MODES = {1: "L", 3: "RGB", 4: "CMYK"}
"""Pillow's mode by number of channels."""


class Canvas:
    """An unfilled picture of 8 or 16 bits with 1 (gray), 3 (RGB) or 4 (CMYK, as amounts of ink) channels.

    Attributes:
        alpha: opacity `(H, W)`, 8 bits, of a gray or RGB picture; None is opaque.
    """

    def __init__(self, width: int, height: int, *, channels: int, bits: int) -> None:
        self.width, self.height, self.channels, self.bits = width, height, channels, bits
        self.alpha: NDArray[np.uint8] | None = None
        self._image = Image.new(MODES[channels], (width, height), None) if bits == 8 else None
        self._pixels = np.empty((height, width, channels), np.uint16) if bits == 16 else None

    def paste(self, pixels: Pixels, *, top: int, left: int) -> None:
        """Fill a rectangle with `(H, W, C)` pixels."""
        if self._image is not None:
            flat = pixels[..., 0] if self.channels == 1 else pixels
            self._image.paste(Image.fromarray(flat, MODES[self.channels]), (left, top))
        if self._pixels is not None:
            height, width = pixels.shape[:2]
            self._pixels[top : top + height, left : left + width] = pixels

    def image(self, *, opaque: bool = False) -> Image.Image:
        """Return the picture for Pillow; of 16 bits only where it is gray, and without opacity (Pillow has no other).

        Args:
            opaque: leave the opacity out.
        """
        if self._image is None:
            return Image.fromarray(self.pixels()[..., 0])
        if self.alpha is None or opaque:
            return self._image
        image = self._image.copy()
        image.putalpha(Image.fromarray(self.alpha))
        return image

    def pixels(self) -> Pixels:
        """Return the picture as an array `(H, W, C)`."""
        if self._pixels is not None:
            return self._pixels
        assert self._image is not None
        return np.asarray(self._image).reshape(self.height, self.width, self.channels)
