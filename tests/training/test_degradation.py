"""Compression in torch, against files that libjpeg writes.

Color conversion and averaging are libjpeg's to the bit. The transform is exact here and an integer approximation there,
so that a coefficient near the middle between two steps may be rounded the other way.
"""

import dataclasses
import io

import jpeglib
import numpy as np
import pytest
from PIL import Image
from skimage import data

torch = pytest.importorskip("torch")

from jpegfilter.codec import read  # noqa: E402
from jpegfilter.jpeg import dct, decode, tables  # noqa: E402
from jpegfilter.jpeg.image import ColorModel, Component, JpegImage  # noqa: E402
from jpegfilter.jpeg.sampling import FACTORS  # noqa: E402
from jpegfilter.training import degradation  # noqa: E402

PILLOWS = ("4:4:4", "4:2:2", "4:2:0")
TRANSFORM = 0.2
"""Error of libjpeg's slow integer transform (jfdctint.c), in coefficients.

It rounds its results to an eighth (1/16), and those of its first pass to two bits of fraction of values sqrt(8) times
too large, of which the second sums eight, weighted by a row of the orthonormal basis, whose absolute values add up to
sqrt(8) at most: 1/8. Its constants have 13 bits of fraction, which costs the rest.
"""


def table(base, quality):
    return torch.from_numpy(tables.ijg_table(base, quality).astype(np.int64).reshape(1, 64))


def compressed(picture, quality, sampling):
    rgb = torch.from_numpy(picture).permute(2, 0, 1)[None]
    return degradation.compress(rgb, table(tables.LUMA, quality), table(tables.CHROMA, quality), sampling=sampling)


def by_pillow(picture, quality, sampling):
    file = io.BytesIO()
    image = Image.fromarray(picture)
    if sampling == "gray":
        image.convert("L").save(file, "JPEG", quality=quality)
    else:
        image.save(file, "JPEG", quality=quality, subsampling=sampling)
    with read.as_file(file.getvalue()) as path:
        return read.read(path).image


def as_blocks(channels):
    """`(1, 64, h, w)` as `[block row, block column, v, u]`."""
    return channels[0].permute(1, 2, 0).unflatten(2, (8, 8)).numpy()


def integers(picture):
    """Y, Cb and Cr as libjpeg's integers."""
    return degradation.rgb_to_ycbcr(torch.from_numpy(picture).permute(2, 0, 1)[None])[0]


@pytest.fixture(scope="module")
def photos():
    crops = (data.astronaut()[:128, 128:256], data.coffee()[100:228, 200:328], data.chelsea()[60:188, 100:228])
    return [np.ascontiguousarray(crop) for crop in crops]


@pytest.mark.parametrize("sampling", FACTORS)
def test_components_before_the_transform_are_libjpegs(photo, tmp_path, sampling):
    """Each of our planes as a gray file, in which libjpeg converts and averages nothing, has the same coefficients.

    At quality 100 every step is 1, so that a single sample's step shows.
    """
    jpeglib.version.set("turbo210")
    down, across = FACTORS[sampling]
    whole = jpeglib.from_spatial(photo)
    whole.samp_factor = np.array([(down, across), (1, 1), (1, 1)])
    whole.write_spatial(str(tmp_path / "whole.jpg"), qt=100)
    luma, *chroma = integers(photo)
    planes = [luma, *(degradation.average_cells(p[None], down=down, across=across)[0] for p in chroma)]
    components = read.read(tmp_path / "whole.jpg").image.components
    assert len(components) == 3
    for plane, component in zip(planes, components, strict=True):
        gray = jpeglib.from_spatial(plane.numpy().astype(np.uint8)[..., None])
        gray.write_spatial(str(tmp_path / "gray.jpg"), qt=100)
        (expected,) = read.read(tmp_path / "gray.jpg").image.components
        assert np.array_equal(component.coefficients, expected.coefficients)


def test_every_color_is_converted_as_pillow_does():
    """A file of YCbCr, which libjpeg does not convert, is that of RGB."""
    colors = np.random.default_rng(7).integers(0, 256, (64, 64, 3), np.uint8)
    colors[:2, :4] = 255 * (np.arange(8)[:, None] >> np.arange(3) & 1).reshape(2, 4, 3)  # the corners of the cube
    ours = integers(colors)
    assert ours.min() >= 0
    assert ours.max() <= 255
    files = []
    for image in (Image.fromarray(colors), Image.fromarray(ours.permute(1, 2, 0).numpy().astype(np.uint8), "YCbCr")):
        files.append(io.BytesIO())
        image.save(files[-1], "JPEG", quality=100, subsampling="4:4:4")
    assert files[0].getvalue() == files[1].getvalue()


def test_gray_has_no_color():
    grays = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
    luma, cb, cr = integers(grays)
    assert torch.equal(luma[0], torch.arange(256, dtype=torch.int32))
    assert (cb == 128).all()
    assert (cr == 128).all()


@pytest.mark.parametrize("sampling", [*PILLOWS, "gray"])
def test_coefficients_are_those_of_a_real_file(photos, sampling):
    """At the qualities that most patches are drawn at; over all tables the share falls as steps near the error."""
    equal = total = 0
    for picture in photos:
        for quality in (5, 15, 25, 35, 45):
            ours = compressed(picture, quality, sampling).coefficients
            theirs = by_pillow(picture, quality, sampling).components
            for channels, component in zip(ours, theirs, strict=True):
                equal += (as_blocks(channels) == component.coefficients).sum()
                total += component.coefficients.size
    assert equal / total >= 0.999


@pytest.mark.parametrize("quality", [1, 10, 50, 75, 90, 95, 100])
@pytest.mark.parametrize("sampling", [*PILLOWS, "gray"])
def test_only_coefficients_next_to_the_middle_of_two_steps_differ_from_a_real_file(photos, quality, sampling):
    down, across = FACTORS.get(sampling, (1, 1))
    for picture in photos:
        ours = compressed(picture, quality, sampling).coefficients
        theirs = by_pillow(picture, quality, sampling).components
        for number, (channels, component) in enumerate(zip(ours, theirs, strict=True)):
            plane = integers(picture)[number][None]
            if number:
                plane = degradation.average_cells(plane, down=down, across=across)
            steps = component.table.astype(np.float64)
            exact = dct.forward(plane[0].numpy() - 128.0) / steps
            away = np.abs(np.abs(exact - np.floor(exact)) - 0.5)
            difference = np.abs(as_blocks(channels) - component.coefficients)
            assert difference.max() <= 1
            assert (away[difference > 0] <= (TRANSFORM / steps + np.zeros_like(exact))[difference > 0]).all()


def image_of(result, quality, sampling, shape):
    """The file that would hold the coefficients."""
    down, across = FACTORS.get(sampling, (1, 1))
    components = [
        Component(
            as_blocks(channels).astype(np.int16), tables.ijg_table(tables.CHROMA if number else tables.LUMA, quality),
            *((down, across) if number else (1, 1)),
        )
        for number, channels in enumerate(result.coefficients)
    ]  # fmt: skip
    model = ColorModel.GRAY if sampling == "gray" else ColorModel.YCBCR
    return JpegImage(shape[1], shape[0], model, False, tuple(components))


def rounding(image):
    """What two float32 transforms and interpolations may be apart: 64 units of the largest block's norm, four times."""
    norms = [np.linalg.norm(c.coefficients * c.table.astype(np.float64), axis=(2, 3)).max() for c in image.components]
    return 4 * 64 * 2.0**-24 * max(norms)


@pytest.mark.parametrize("quality", [1, 20, 60, 95])
@pytest.mark.parametrize("sampling", FACTORS)
def test_planes_are_the_pipelines_decode_of_the_coefficients(photo, quality, sampling):
    result = compressed(photo, quality, sampling)
    image = image_of(result, quality, sampling, photo.shape)
    expected = decode.planes(image, decode.whole(image))
    assert rounding(image) < 0.05
    np.testing.assert_allclose(result.planes[0].numpy(), expected, rtol=0, atol=rounding(image))


@pytest.mark.parametrize("sampling", PILLOWS)
def test_planes_are_the_pipelines_decode_of_a_real_file(photo, sampling):
    result, image = compressed(photo, 10, sampling), by_pillow(photo, 10, sampling)
    expected, planes = decode.planes(image, decode.whole(image)), result.planes[0].numpy()
    for number, component in enumerate(image.components):
        blocks = (as_blocks(result.coefficients[number]) == component.coefficients).all((2, 3))
        assert blocks.mean() > 0.9
        # A wrong block spoils its neighbours' edges where chroma is interpolated.
        wrong = np.pad(~blocks, 1)
        near = np.any([np.roll(wrong, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)], axis=0)[1:-1, 1:-1]
        samples = np.kron(~near, np.ones((8 * component.down, 8 * component.across), bool))
        assert samples.mean() > 0.5
        assert np.abs(planes[number] - expected[number])[samples].max() <= rounding(image)


def test_gray_is_one_component_and_has_no_color(photo):
    result = compressed(photo, 30, "gray")
    assert len(result.coefficients) == 1
    assert not result.planes[0, 1:].any()
    image = image_of(result, 30, "gray", photo.shape)
    luma = decode.samples(image.components[0])
    np.testing.assert_allclose(result.planes[0, 0].numpy(), luma, rtol=0, atol=rounding(image))


def test_every_picture_of_a_batch_has_its_own_tables(photos):
    rgb = torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2)
    qualities = (5, 50, 95)
    luma, chroma = (torch.cat([table(base, q) for q in qualities]) for base in (tables.LUMA, tables.CHROMA))
    batch = degradation.compress(rgb, luma, chroma, sampling="4:2:0")
    for number, quality in enumerate(qualities):
        alone = compressed(photos[number], quality, "4:2:0")
        for a, b in zip(batch.coefficients, alone.coefficients, strict=True):
            # One in ten thousand may lie so near the middle that another order of summation decides.
            assert (a[number] == b[0]).float().mean() > 0.9999


def test_coefficients_are_whole_and_planes_are_not_clipped(photo):
    result = compressed(photo, 5, "4:2:0")
    assert all(torch.equal(c, c.round()) for c in result.coefficients)
    assert [tuple(c.shape) for c in result.coefficients] == [(1, 64, 12, 16), (1, 64, 6, 8), (1, 64, 6, 8)]
    assert result.planes.shape == (1, 3, 96, 128)
    assert result.planes.dtype == torch.float32
    assert result.planes[:, 0].min() < -128


MEANS = {
    # Sums and what a bias that alternates from column to column makes of their halves and quarters (jcsample.c).
    (1, 2): ([[0, 1, 0, 1, 2, 3, 2, 3]], [[0, 1, 2, 3]]),
    (2, 2): ([[0, 1, 0, 1, 0, 1], [0, 1, 0, 1, 0, 0]], [[0, 1, 0]]),
    # Elsewhere a half goes up.
    (2, 1): ([[0, 5, 3], [1, 6, 3]], [[1, 6, 3]]),
    (1, 4): ([[0, 0, 1, 1, 0, 0, 0, 1]], [[1, 0]]),
    (4, 1): ([[0], [0], [1], [1]], [[1]]),
    (2, 4): ([[1, 1, 1, 1], [0, 0, 0, 0]], [[1]]),
    (1, 1): ([[3, 4]], [[3, 4]]),
}


@pytest.mark.parametrize(("cell", "case"), MEANS.items(), ids=lambda value: str(value)[:6])
def test_means_are_rounded_as_jcsample_rounds(cell, case):
    plane, expected = (torch.tensor([rows], dtype=torch.int32) for rows in case)
    down, across = cell
    means = degradation.average_cells(plane, down=down, across=across)
    assert means.dtype == torch.int32
    assert torch.equal(means, expected)


def test_values_are_frozen(photo):
    with pytest.raises(dataclasses.FrozenInstanceError):
        compressed(photo, 50, "gray").planes = None
