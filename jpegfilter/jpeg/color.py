"""Color conversion between components and RGB, as JFIF defines it (ITU-T T.871, 7). Level-shifted planes in and out."""

from __future__ import annotations

import numpy as np

from jpegfilter.jpeg.types import Floats, Pixels

RED_CR = 1.402
GREEN_CB = -0.344136286
GREEN_CR = -0.714136286
BLUE_CB = 1.772
RGB_FROM_YCBCR = ((1.0, 0.0, RED_CR), (1.0, GREEN_CB, GREEN_CR), (1.0, BLUE_CB, 0.0))
"""Rows R, G and B; columns Y, Cb and Cr."""
YCBCR_FROM_RGB = (
    (0.299, 0.587, 0.114),
    (-0.168735892, -0.331264108, 0.5),
    (0.5, -0.418687589, -0.081312411),
)
"""Rows Y, Cb and Cr; columns R, G and B."""
CENTRE = 128
"""What level shifting subtracts from 8-bit samples (T.81, A.3.1)."""


def rgb_from_ycbcr(planes: Floats) -> Floats:
    """Return R, G and B `(3, H, W)` of Y, Cb and Cr; both level-shifted, neither rounded nor clipped."""
    luma, cb, cr = planes
    out = np.empty_like(planes)
    np.multiply(cr, planes.dtype.type(RED_CR), out=out[0])
    np.multiply(cb, planes.dtype.type(GREEN_CB), out=out[1])
    out[1] += planes.dtype.type(GREEN_CR) * cr
    np.multiply(cb, planes.dtype.type(BLUE_CB), out=out[2])
    out += luma
    return out


def ycbcr_from_rgb(planes: Floats) -> Floats:
    """Return Y, Cb and Cr `(3, H, W)` of R, G and B; both level-shifted, neither rounded nor clipped."""
    matrix = np.asarray(YCBCR_FROM_RGB, planes.dtype)
    return (matrix @ planes.reshape(3, -1)).reshape(planes.shape)


def with_chroma(planes: Floats) -> Floats:
    """Return Y, Cb and Cr `(3, H, W)` of those, or of Y alone, whose chroma is 0."""
    if len(planes) > 1:
        return planes
    return np.concatenate((planes, np.zeros((2, *planes.shape[1:]), planes.dtype)))


def to_pixels(planes: Floats, *, bits: int = 8) -> Pixels:
    """Return level-shifted planes `(C, H, W)` as unsigned integers `(H, W, C)`, rounded to nearest and clipped.

    Args:
        bits: 8 or 16; 16-bit white is 65535, 257 times the 8-bit one.
    """
    scale = {8: 1.0, 16: 257.0}[bits]
    kind = {8: np.uint8, 16: np.uint16}[bits]
    channels, height, width = planes.shape
    out = np.empty((height, width, channels), kind)
    for channel, plane in enumerate(planes):
        shifted = plane + planes.dtype.type(CENTRE)
        if scale != 1:
            shifted *= planes.dtype.type(scale)
        np.rint(shifted, out=shifted)
        np.clip(shifted, 0, 255 * scale, out=shifted)
        out[..., channel] = shifted
    return out


def from_pixels(pixels: Pixels) -> Floats:
    """Return 8- or 16-bit `(H, W, C)` as level-shifted float32 planes `(C, H, W)` in 8-bit steps."""
    scale = np.float32(1 / 257 if pixels.dtype == np.uint16 else 1)
    planes = np.ascontiguousarray(np.moveaxis(pixels, 2, 0)).astype(np.float32)
    planes *= scale
    planes -= np.float32(CENTRE)
    return planes


def to_depth(pixels: Pixels, *, bits: int) -> Pixels:
    """Return 8- or 16-bit pixels with 8 or 16 bits, white staying white."""
    if pixels.dtype == np.uint8:
        return pixels if bits == 8 else pixels.astype(np.uint16) * np.uint16(257)
    return pixels if bits == 16 else np.rint(pixels / 257).astype(np.uint8)
