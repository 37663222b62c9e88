"""Decoding in float, against libjpeg's integers: they differ by its rounding and by the error of its transform."""

import dataclasses
import io

import jpeglib
import numpy as np
import pytest
from PIL import Image

from jpegfilter.codec import read
from jpegfilter.jpeg import decode, sampling
from jpegfilter.jpeg.decode import Region
from jpegfilter.jpeg.image import ColorModel, Component, JpegImage

QUALITIES = [5, 30, 75, 100]
SIZES = [(1, 1), (7, 9), (17, 1), (1, 33), (129, 65)]
"""Width and height."""
SIZED = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
GRADED = pytest.mark.parametrize("quality", QUALITIES)
TRANSFORM = 0.125
"""Error of libjpeg's slow integer transform (jidctint.c), in levels, before its last rounding.

Its first pass keeps 2 bits of fraction of values sqrt(8) times too large: half of a 4 sqrt(8)th. The second sums eight
of them, weighted by one column of the orthonormal basis, whose absolute values add up to 2.57 at most: 0.114. Its
constants have 13 bits of fraction, which costs the rest.
"""
PLAIN = {"4:4:4": ((1, 1), (1, 1), (1, 1)), "4:2:2": ((1, 2), (1, 1), (1, 1)), "4:2:0": ((2, 2), (1, 1), (1, 1)),
         "4:4:0": ((2, 1), (1, 1), (1, 1)), "4:1:1": ((1, 4), (1, 1), (1, 1)), "4:1:0": ((2, 4), (1, 1), (1, 1)),
         "4:4:1": ((4, 1), (1, 1), (1, 1))}  # fmt: skip
MIXED = {"chroma unlike": ((2, 2), (2, 1), (1, 2)), "luma coarser": ((1, 1), (2, 2), (2, 1))}
"""Vertical and horizontal factors as a frame header holds them."""


def crop(photo, size):
    width, height = size
    picture = Image.fromarray(photo)
    if width > height:
        picture = picture.rotate(90, expand=True)
    return picture.crop((0, 0, width, height))


def save(picture, **options):
    file = io.BytesIO()
    picture.save(file, "JPEG", **options)
    return file.getvalue()


def image_of(content):
    with read.as_file(content) as path:
        return read.read(path).image


def levels(image):
    """Every component in unrounded 8-bit levels `(C, H, W)`, repeated over its cells and cut to the picture."""
    planes = [sampling.replicate(decode.samples(c), down=c.down, across=c.across) for c in image.components]
    cut = np.stack([plane[: image.height, : image.width] for plane in planes])
    return (cut + 128).clip(0, 255)


def is_libjpegs(image, pixels):
    """Whether the picture is, but for rounding, libjpeg's pixels `(H, W)` or `(H, W, C)`."""
    expected = np.moveaxis(np.atleast_3d(pixels), 2, 0).astype(np.float64)
    ours = levels(image)
    assert np.abs(np.rint(ours) - expected).max() <= 1
    return np.abs(ours - expected).max() <= 0.5 + TRANSFORM


def in_components(content):
    """libjpeg's Y, Cb and Cr through Pillow, which converts no color then."""
    with Image.open(io.BytesIO(content)) as image:
        image.draft("YCbCr", image.size)
        assert image.mode == "YCbCr"
        return np.asarray(image)


@pytest.fixture
def sampled(photo, tmp_path):
    """A file of the given sampling factors by jpeglib, which writes those that Pillow does not."""
    jpeglib.version.set("turbo210")

    def write(factors, quality, size=(129, 65), flags=()):
        picture = jpeglib.from_spatial(np.array(crop(photo, size)))
        picture.samp_factor = np.array(factors)
        path = tmp_path / "sampled.jpg"
        picture.write_spatial(str(path), qt=quality, flags=list(flags))
        return path

    return write


@GRADED
@SIZED
def test_gray_is_libjpegs(gray_photo, quality, size):
    content = save(crop(gray_photo, size), quality=quality)
    image = image_of(content)
    assert image.model is ColorModel.GRAY
    assert is_libjpegs(image, np.asarray(Image.open(io.BytesIO(content))))


@GRADED
@SIZED
def test_ycbcr_is_libjpegs(photo, quality, size):
    content = save(crop(photo, size), quality=quality, subsampling="4:4:4")
    image = image_of(content)
    assert image.model is ColorModel.YCBCR
    assert is_libjpegs(image, in_components(content))


@GRADED
@SIZED
def test_rgb_components_are_libjpegs(photo, quality, size):
    content = save(crop(photo, size), quality=quality, keep_rgb=True)
    image = image_of(content)
    assert image.model is ColorModel.RGB
    assert is_libjpegs(image, np.asarray(Image.open(io.BytesIO(content))))


@GRADED
@SIZED
def test_inverted_ink_is_libjpegs(photo, quality, size):
    content = save(crop(photo, size).convert("CMYK"), quality=quality)
    image = image_of(content)
    assert image.model is ColorModel.CMYK
    assert image.inverted
    assert is_libjpegs(image, 255 - np.asarray(Image.open(io.BytesIO(content))))


@GRADED
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_luma_is_libjpegs_at_every_subsampling_of_pillows(photo, quality, subsampling):
    content = save(Image.fromarray(photo), quality=quality, subsampling=subsampling)
    image = image_of(content)
    luma = dataclasses.replace(image, components=image.components[:1])
    assert is_libjpegs(luma, in_components(content)[..., 0])


@GRADED
@SIZED
@pytest.mark.parametrize("factors", [*PLAIN.values(), *MIXED.values()], ids=[*PLAIN, *MIXED])
def test_every_sampling_is_libjpegs(sampled, factors, quality, size):
    path = sampled(factors, quality, size)
    pixels = jpeglib.read_spatial(str(path), out_color_space=jpeglib.JCS_YCbCr, flags=["-DO_FANCY_UPSAMPLING"]).spatial
    image = read.read(path).image
    down, across = (max(pair[i] for pair in factors) for i in (0, 1))
    assert [(c.down, c.across) for c in image.components] == [(down // v, across // h) for v, h in factors]
    assert is_libjpegs(image, pixels)


@GRADED
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_progressive_has_the_coefficients_of_sequential(photo, quality, subsampling):
    options = {"quality": quality, "subsampling": subsampling}
    one = image_of(save(Image.fromarray(photo), **options))
    other = image_of(save(Image.fromarray(photo), progressive=True, **options))
    for a, b in zip(one.components, other.components, strict=True):
        assert np.array_equal(a.coefficients, b.coefficients)
        assert np.array_equal(a.table, b.table)


def test_arithmetic_coding_has_the_coefficients_of_huffman_coding(sampled):
    huffman = read.read(sampled(PLAIN["4:2:0"], 40))
    arithmetic = read.read(sampled(PLAIN["4:2:0"], 40, flags=["+ARITH_CODE"]))
    assert arithmetic.header.process == "arithmetic sequential"
    for a, b in zip(huffman.image.components, arithmetic.image.components, strict=True):
        assert np.array_equal(a.coefficients, b.coefficients)


@GRADED
@pytest.mark.parametrize("label", ["4:2:2", "4:2:0"])
def test_interpolated_chroma_is_libjpegs_before_rounding(photo, quality, label):
    """libjpeg interpolates samples that are half a level and its transform's error off, and rounds once more."""
    content = save(Image.fromarray(photo[:128, :64]), quality=quality, subsampling=label)
    ours = decode.planes(image_of(content), Region(0, 0, 128, 64))[1:] + 128
    theirs = np.moveaxis(in_components(content), 2, 0)[1:].astype(np.float64)
    assert np.abs(ours.clip(0, 255) - theirs).max() <= 0.5 + 0.5 + TRANSFORM


def test_what_exceeds_eight_bits_is_kept(photo):
    image = image_of(save(Image.fromarray(photo), quality=5))
    plane = decode.samples(image.components[0])
    assert plane.dtype == np.float32
    assert plane.min() < -128
    assert (plane != np.rint(plane)).any()


def test_whole_is_the_grid_of_mcus(photo):
    image = image_of(save(crop(photo, (65, 129)), subsampling="4:2:0"))
    assert (image.mcu, image.grid) == ((16, 16), (144, 80))
    assert decode.whole(image) == Region(0, 0, 144, 80)
    assert (decode.whole(image).height, decode.whole(image).width) == (144, 80)


@pytest.mark.parametrize("label", PLAIN)
def test_planes_cover_the_grid_and_hold_what_blocks_lack(sampled, label):
    image = read.read(sampled(PLAIN[label], 60, (65, 129))).image
    height, width = image.grid
    planes = decode.planes(image, decode.whole(image))
    assert planes.shape == (3, height, width)
    assert planes.dtype == np.float32
    luma = decode.samples(image.components[0])
    assert luma.shape == (136, 72)
    rows, columns = np.minimum(np.arange(height), 135), np.minimum(np.arange(width), 71)
    assert np.array_equal(planes[0], luma[np.ix_(rows, columns)])


@pytest.mark.parametrize("label", PLAIN)
def test_region_is_part_of_the_whole(sampled, label):
    image = read.read(sampled(PLAIN[label], 30)).image
    rows, columns = image.mcu
    height, width = image.grid
    planes = decode.planes(image, decode.whole(image))
    # One block's 64 products, summed in another order: of coefficients whose block has a norm below 2048.
    rounding = 2 * 64 * 2048 * 2.0**-24
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            # Widened by an MCU, as interpolation wants, where the image goes on.
            above, before = max(0, top - rows), max(0, left - columns)
            below, after = min(height, top + 2 * rows), min(width, left + 2 * columns)
            region = Region(above, before, below, after)
            part = decode.planes(image, region)
            inner = part[:, top - above :, left - before :][:, :rows, :columns]
            assert np.abs(inner - planes[:, top : top + rows, left : left + columns]).max() <= rounding


def test_region_without_interpolation_needs_no_widening(sampled):
    image = read.read(sampled(PLAIN["4:4:4"], 30)).image
    planes = decode.planes(image, decode.whole(image))
    part = decode.planes(image, Region(16, 8, 40, 56))
    assert np.abs(part - planes[:, 16:40, 8:56]).max() <= 2 * 64 * 2048 * 2.0**-24


def test_cut_keeps_all_but_the_blocks():
    numbers = np.arange(4 * 6 * 64).reshape(4, 6, 8, 8).astype(np.int16)
    component = Component(numbers, np.ones((8, 8), np.uint16), 2, 1)
    part = decode.cut(component, Region(16, 8, 48, 40))
    assert np.array_equal(part.coefficients, numbers[1:3, 1:5])
    assert (part.down, part.across) == (2, 1)
    assert part.table is component.table


def test_samples_are_dequantized():
    coefficients = np.zeros((1, 1, 8, 8), np.int16)
    coefficients[0, 0, 0, 0] = 3
    table = np.full((8, 8), 16, np.uint16)
    plane = decode.samples(Component(coefficients, table, 1, 1))
    np.testing.assert_allclose(plane, 3 * 16 / 8, rtol=0, atol=1e-5)


def test_geometry_follows_the_coarsest_component():
    empty = np.zeros((1, 1, 8, 8), np.int16), np.ones((8, 8), np.uint16)
    image = JpegImage(17, 9, ColorModel.YCBCR, False, tuple(Component(*empty, *f) for f in ((1, 1), (2, 1), (1, 4))))
    assert (image.mcu, image.grid) == ((16, 32), (16, 32))
