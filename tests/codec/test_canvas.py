"""The picture being made, tile by tile."""

import numpy as np
import pytest

from jpegfilter.codec.canvas import Canvas

KINDS = pytest.mark.parametrize(
    ("channels", "bits", "mode"), [(1, 8, "L"), (3, 8, "RGB"), (4, 8, "CMYK"), (1, 16, "I;16"), (3, 16, None)]
)
"""Pillow has no mode for 16-bit colors."""


def noise(channels, bits, height=13, width=21):
    return np.random.default_rng(1).integers(0, 2**bits, (height, width, channels), f"u{bits // 8}")


@KINDS
def test_tiles_make_the_picture(channels, bits, mode):
    pixels = noise(channels, bits)
    canvas = Canvas(21, 13, channels=channels, bits=bits)
    for top in range(0, 13, 5):
        for left in range(0, 21, 8):
            canvas.paste(pixels[top : top + 5, left : left + 8], top=top, left=left)
    assert canvas.pixels().dtype == pixels.dtype
    assert np.array_equal(canvas.pixels(), pixels)
    if mode is not None:
        image = canvas.image()
        assert (image.mode, image.size) == (mode, (21, 13))
        assert np.array_equal(np.asarray(image).reshape(13, 21, channels), pixels)


@KINDS
def test_later_tiles_cover_earlier_ones(channels, bits, mode):
    pixels = noise(channels, bits)
    canvas = Canvas(21, 13, channels=channels, bits=bits)
    canvas.paste(pixels, top=0, left=0)
    canvas.paste(pixels[:3, :4], top=9, left=10)
    assert mode is None or canvas.image().mode == mode
    assert np.array_equal(canvas.pixels()[9:12, 10:14], pixels[:3, :4])
    assert np.array_equal(canvas.pixels()[:9], pixels[:9])


def test_turned_tiles_are_pasted_as_they_look():
    pixels = noise(3, 8)
    canvas = Canvas(13, 21, channels=3, bits=8)
    canvas.paste(pixels.swapaxes(0, 1), top=0, left=0)
    assert np.array_equal(canvas.pixels(), pixels.swapaxes(0, 1))


@pytest.mark.parametrize(("channels", "mode"), [(1, "LA"), (3, "RGBA")])
def test_opacity_stands_beside_the_pixels(channels, mode):
    pixels, alpha = noise(channels, 8), noise(1, 8)[::-1, :, 0]
    canvas = Canvas(21, 13, channels=channels, bits=8)
    canvas.alpha = alpha.copy()
    canvas.paste(pixels, top=0, left=0)
    image = canvas.image()
    assert image.mode == mode
    assert np.array_equal(np.asarray(image), np.dstack((pixels, alpha)))
    assert np.array_equal(canvas.pixels(), pixels)
    assert np.array_equal(canvas.alpha, alpha)


def test_a_new_canvas_is_opaque():
    assert Canvas(2, 2, channels=3, bits=8).alpha is None
