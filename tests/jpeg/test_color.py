"""Color conversion, against T.871, 7, and against Pillow's conversion of 8-bit pixels."""

import numpy as np
import pytest
from PIL import Image

from jpegfilter.jpeg import color

DIGITS = 1e-9
"""To what the constants are written down."""


@pytest.fixture
def ycbcr():
    return np.random.default_rng(6).uniform(-128, 127, (3, 9, 11)).astype(np.float32)


def test_matrices_are_each_others_inverse():
    product = np.array(color.RGB_FROM_YCBCR) @ np.array(color.YCBCR_FROM_RGB)
    np.testing.assert_allclose(product, np.eye(3), rtol=0, atol=4 * DIGITS)


def test_matrices_follow_from_the_weights_of_luma():
    red, green, blue = 0.299, 0.587, 0.114
    cb = np.array([-red, -green, 1 - blue]) / (2 * (1 - blue))
    cr = np.array([1 - red, -green, -blue]) / (2 * (1 - red))
    np.testing.assert_allclose(color.YCBCR_FROM_RGB, [(red, green, blue), cb, cr], rtol=0, atol=DIGITS)


def test_rgb_is_the_definition(ycbcr):
    y, cb, cr = ycbcr.astype(np.float64)
    expected = (y + 1.402 * cr, y - (0.114 * 1.772 * cb + 0.299 * 1.402 * cr) / 0.587, y + 1.772 * cb)
    result = color.rgb_from_ycbcr(ycbcr)
    assert result.dtype == np.float32
    # Four roundings of sums below 512, and the constants' digits.
    np.testing.assert_allclose(result, expected, rtol=0, atol=4 * 512 * 2.0**-24 + 256 * DIGITS)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_there_and_back_is_the_same(ycbcr, dtype):
    planes = ycbcr.astype(dtype)
    kept = planes.copy()
    back = color.ycbcr_from_rgb(color.rgb_from_ycbcr(planes))
    assert back.dtype == dtype
    np.testing.assert_allclose(back, planes, rtol=0, atol=16 * 512 * np.finfo(dtype).eps / 2 + 1024 * DIGITS)
    assert np.array_equal(planes, kept)


def test_gray_has_no_color(ycbcr):
    gray = ycbcr * np.array([1, 0, 0], np.float32)[:, None, None]
    assert all(np.array_equal(plane, ycbcr[0]) for plane in color.rgb_from_ycbcr(gray))


def test_conversion_is_pillows_within_its_rounding(photo):
    # Pillow adds three products with 6 bits of fraction, each off by at most 2**-7, and drops the fraction.
    ours = color.ycbcr_from_rgb(color.from_pixels(photo)) + 128
    theirs = np.moveaxis(np.asarray(Image.fromarray(photo).convert("YCbCr"), np.float64), 2, 0)
    assert np.abs(ours - theirs).max() <= 1 + 3 * 2.0**-7


@pytest.mark.parametrize(("bits", "levels"), [(8, 256), (16, 65536)])
def test_every_level_survives(bits, levels):
    pixels = np.arange(levels, dtype=f"u{bits // 8}").reshape(16, -1, 1)
    planes = color.from_pixels(pixels)
    assert planes.dtype == np.float32
    assert planes.shape == (1, 16, levels // 16)
    assert (planes.min(), planes.max()) == (-128, 127)
    back = color.to_pixels(planes, bits=bits)
    assert back.dtype == pixels.dtype
    assert np.array_equal(back, pixels)


def test_channels_go_last(ycbcr):
    pixels = color.to_pixels(ycbcr)
    assert pixels.shape == (9, 11, 3)
    assert np.array_equal(pixels, np.rint(np.moveaxis(ycbcr, 0, 2) + 128))


@pytest.mark.parametrize(("bits", "white"), [(8, 255), (16, 65535)])
def test_what_is_out_of_range_is_clipped(bits, white):
    planes = np.array([[[-1e4, -128.6, -128, 127, 127.6, 1e4]]], np.float32)
    assert color.to_pixels(planes, bits=bits).ravel().tolist() == [0, 0, 0, white, white, white]


def test_sixteen_bits_keep_fractions_of_a_step():
    steps = np.array([[[-128 + 1 / 257, 0.25, 126.5]]], np.float32)
    assert color.to_pixels(steps, bits=16).ravel().tolist() == [1, round(128.25 * 257), round(254.5 * 257)]


def test_planes_are_not_written(ycbcr):
    kept = ycbcr.copy()
    color.to_pixels(ycbcr, bits=16)
    assert np.array_equal(ycbcr, kept)


def test_depth_changes_by_the_share_of_white():
    eight = np.arange(256, dtype=np.uint8).reshape(8, 32, 1)
    sixteen = color.to_depth(eight, bits=16)
    assert sixteen.dtype == np.uint16
    assert np.array_equal(sixteen, eight.astype(int) * 257)
    back = color.to_depth(sixteen, bits=8)
    assert back.dtype == np.uint8
    assert np.array_equal(back, eight)


def test_every_level_of_16_bits_goes_to_the_nearest_of_8():
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    away = np.abs(color.to_depth(levels, bits=8) * 257.0 - levels)
    assert away.max() <= 128


@pytest.mark.parametrize("bits", [8, 16])
def test_depth_that_is_there_already_stays(bits):
    pixels = np.arange(200, dtype=f"u{bits // 8}").reshape(10, 20, 1)
    assert np.array_equal(color.to_depth(pixels, bits=bits), pixels)
    assert color.to_depth(pixels, bits=bits).dtype == pixels.dtype
