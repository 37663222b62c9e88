"""Components, the pictures that networks see of them, and output pixels, for each color model."""

import numpy as np
import pytest
from PIL import Image

from jpegfilter.jpeg.image import ColorModel, Component, JpegImage
from jpegfilter.pipeline import components

INKS = [(model, inverted) for model in (ColorModel.CMYK, ColorModel.YCCK) for inverted in (False, True)]
MODELS = [(ColorModel.GRAY, False), (ColorModel.YCBCR, False), (ColorModel.RGB, False), *INKS]
COUNT = {ColorModel.GRAY: 1, ColorModel.YCBCR: 3, ColorModel.RGB: 3, ColorModel.CMYK: 4, ColorModel.YCCK: 4}
EVERY = pytest.mark.parametrize(("model", "inverted"), MODELS)


def image_of(model, inverted):
    component = Component(np.zeros((1, 1, 8, 8), np.int16), np.ones((8, 8), np.uint16), 1, 1)
    return JpegImage(8, 8, model, inverted, (component,) * COUNT[model])


def noise(model, scale=60):
    return np.random.default_rng(3).normal(0, scale, (COUNT[model], 16, 24)).astype(np.float32)


def planes_of(pixels):
    return np.moveaxis(pixels, 2, 0).astype(np.float32) - 128


def ycbcr_of(pixels):
    """JFIF's conversion of 8-bit RGB, in double precision."""
    matrix = np.linalg.inv([[1, 0, 1.402], [1, -0.344136286, -0.714136286], [1, 1.772, 0]])
    return np.einsum("oc,hwc->ohw", matrix, pixels.astype(np.float64) - 128)


@EVERY
def test_pictures_and_components_undo_each_other(model, inverted):
    image, planes = image_of(model, inverted), noise(model)
    back = components.from_pictures(components.to_pictures(planes, image), image)
    # Samples of some 200 steps, two matrices with entries below 2, sums of 3: below 20 roundings of 200 * 2^-24.
    assert np.abs(back - planes).max() < 2.5e-4


@EVERY
def test_pictures_are_what_networks_take(model, inverted):
    pictures = components.to_pictures(noise(model), image_of(model, inverted))
    gray = model is ColorModel.GRAY
    assert [len(p) for p in pictures] == [1 if gray else 3, 1][: 2 if model.has_black else 1]
    assert {p.shape[1:] for p in pictures} == {(16, 24)}
    assert all(p.dtype == np.float32 for p in pictures)


@pytest.mark.parametrize("model", [ColorModel.GRAY, ColorModel.CMYK, ColorModel.YCCK])
def test_what_has_no_color_is_luma_alone(model):
    last = components.to_pictures(noise(model), image_of(model, True))[-1]
    assert np.array_equal(last, noise(model)[-1:])


@pytest.mark.parametrize(("model", "inverted"), INKS)
def test_networks_see_ink_as_the_light_it_leaves(model, inverted, photo):
    inks = 255.0 - photo
    stored = 255 - inks if inverted else inks
    # YCCK holds the Y, Cb and Cr of the complement of what is stored as CMYK (libjpeg's jccolor.c).
    planes = ycbcr_of(255 - stored) if model is ColorModel.YCCK else planes_of(stored)
    black = np.zeros((1, *photo.shape[:2]))
    picture = components.to_pictures(np.concatenate((planes, black)).astype(np.float32), image_of(model, inverted))[0]
    # The negative about 0 and the complement about 127.5 are one step apart.
    assert np.abs(picture - ycbcr_of(photo)).max() <= 1 + 1e-3


def test_gray_and_rgb_come_out_as_they_are():
    for model in (ColorModel.GRAY, ColorModel.RGB):
        planes = np.clip(noise(model), -128, 127)
        assert np.array_equal(components.to_output(planes, image_of(model, False)), planes)


def test_ycbcr_comes_out_as_pillow_converts_it(photo):
    ycbcr = np.asarray(Image.fromarray(photo).convert("YCbCr"))
    expected = np.asarray(Image.fromarray(ycbcr, "YCbCr").convert("RGB"), np.float64)
    got = components.to_output(planes_of(ycbcr), image_of(ColorModel.YCBCR, False)) + 128
    # Pillow rounds twice: its fixed-point tables and the sum.
    assert np.abs(np.clip(np.moveaxis(got, 0, 2), 0, 255) - expected).max() <= 1


@pytest.mark.parametrize(("model", "inverted"), INKS)
def test_ink_comes_out_as_amounts_of_ink(model, inverted, photo):
    inks = np.concatenate((255 - photo, photo[..., :1]), 2).astype(np.float64)
    stored = 255 - inks if inverted else inks
    planes = planes_of(stored)
    if model is ColorModel.YCCK:
        planes[:3] = ycbcr_of(255 - stored[..., :3])
    got = components.to_output(planes.astype(np.float32), image_of(model, inverted)) + 128
    assert np.abs(np.moveaxis(got, 0, 2) - inks).max() < 1e-3


@EVERY
def test_components_are_clipped_before_their_color_is_converted(model, inverted):
    wild = noise(model, scale=400)
    image = image_of(model, inverted)
    assert np.array_equal(components.to_output(wild, image), components.to_output(np.clip(wild, -128, 127), image))


@EVERY
def test_output_has_as_many_channels_as_said(model, inverted):
    out = components.to_output(noise(model), image_of(model, inverted))
    assert len(out) == components.channels(model)
