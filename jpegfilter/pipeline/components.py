"""Between a file's components and what networks see: Y, Cb and Cr of a positive picture; and on to output pixels."""

from __future__ import annotations

import numpy as np

from jpegfilter.jpeg import color
from jpegfilter.jpeg.image import ColorModel, JpegImage
from jpegfilter.jpeg.types import Floats

_INK = 3
"""Index of the black ink's component."""


def _is_negative(image: JpegImage) -> bool:
    """Return whether a file's color components show the negative of the picture.

    Ink is the negative of light. Stored as 255 - ink it is light again; YCCK stores the negative of its CMYK once more.
    """
    if image.model is ColorModel.CMYK:
        return not image.inverted
    return image.model is ColorModel.YCCK and image.inverted


def to_pictures(planes: Floats, image: JpegImage) -> list[Floats]:
    """Return the pictures that a network restores: one, or two where there is black ink.

    Each is `(3, H, W)`, as Y, Cb and Cr, or gray, `(1, H, W)`.

    Args:
        planes: the components, `(C, H, W)`, level-shifted.
    """
    if image.model is ColorModel.GRAY:
        return [planes]
    colors = planes[:_INK]
    if _is_negative(image):
        colors = -colors
    if not image.model.is_luma_chroma:
        colors = color.ycbcr_from_rgb(colors)
    return [colors, planes[_INK:]] if image.model.has_black else [colors]


def from_pictures(pictures: list[Floats], image: JpegImage) -> Floats:
    """Return the components `(C, H, W)` of restored pictures: what `to_pictures` undoes."""
    if image.model is ColorModel.GRAY:
        return pictures[0]
    colors = pictures[0]
    if not image.model.is_luma_chroma:
        colors = color.rgb_from_ycbcr(colors)
    if _is_negative(image):
        colors = -colors
    return np.concatenate((colors, pictures[1])) if image.model.has_black else colors


def _complement(planes: Floats) -> Floats:
    """Return 255 minus the samples: `-1 - x` when level-shifted."""
    return -1 - planes


def to_output(planes: Floats, image: JpegImage) -> Floats:
    """Return gray, RGB or amounts of ink, level-shifted, of the components `(C, H, W)`.

    Components are clipped to what 8 bits hold before their color is converted, as decoders do.
    """
    planes = np.clip(planes, -color.CENTRE, color.CENTRE - 1)
    if image.model in (ColorModel.GRAY, ColorModel.RGB):
        return planes
    if image.model is ColorModel.YCBCR:
        return color.rgb_from_ycbcr(planes)
    colors, black = planes[:_INK], planes[_INK:]
    if image.model is ColorModel.YCCK:
        colors = _complement(color.rgb_from_ycbcr(colors))
    inks = np.concatenate((colors, black))
    return _complement(inks) if image.inverted else inks


def channels(model: ColorModel) -> int:
    """Return the number of output channels: 1, 3 or 4."""
    return 1 if model is ColorModel.GRAY else 4 if model.has_black else 3
