"""Compression in torch, against files that libjpeg writes.

Every step is libjpeg's to the bit: its integers, its rounding, its transform.
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
from jpegfilter.compression import libjpeg  # noqa: E402
from jpegfilter.jpeg import dct, decode, tables  # noqa: E402
from jpegfilter.jpeg.image import ColorModel, Component, JpegImage  # noqa: E402
from jpegfilter.jpeg.sampling import FACTORS  # noqa: E402

PILLOWS = ("4:4:4", "4:2:2", "4:2:0")


def table(base, quality):
    return torch.from_numpy(tables.ijg_table(base, quality).astype(np.int64).reshape(1, 64))


def compressed(picture, quality, sampling):
    rgb = torch.from_numpy(picture).permute(2, 0, 1)[None]
    return libjpeg.compress(rgb, table(tables.LUMA, quality), table(tables.CHROMA, quality), sampling=sampling)


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
    return libjpeg.rgb_to_ycbcr(torch.from_numpy(picture).permute(2, 0, 1)[None])[0]


@pytest.fixture(scope="module")
def photo():
    """RGB, 96 rows of 128 samples: whole MCUs at every sampling."""
    return np.ascontiguousarray(data.astronaut()[20:116, 160:288])


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
    planes = [luma, *(libjpeg.average_cells(p[None], down=down, across=across)[0] for p in chroma)]
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


@pytest.mark.parametrize("quality", [1, 10, 30, 50, 75, 90, 95, 100])
@pytest.mark.parametrize("sampling", [*PILLOWS, "gray"])
def test_coefficients_are_those_of_a_real_file(photos, quality, sampling):
    extremes = np.random.default_rng(3).choice(np.array([0, 255], np.uint8), (128, 128, 3))
    for picture in (*photos, extremes):
        ours = compressed(picture, quality, sampling).coefficients
        theirs = by_pillow(picture, quality, sampling).components
        for channels, component in zip(ours, theirs, strict=True):
            assert np.array_equal(as_blocks(channels), component.coefficients)


@pytest.mark.parametrize("sampling", FACTORS)
def test_coefficients_of_every_sampling_and_table_are_those_of_a_real_file(photo, tmp_path, sampling):
    """With steps that no quality of the IJG has."""
    jpeglib.version.set("turbo210")
    random = np.random.default_rng(5)
    steps = random.integers(1, 256, (2, 8, 8))
    file = jpeglib.from_spatial(photo)
    file.samp_factor = np.array([FACTORS[sampling], (1, 1), (1, 1)])
    file.write_spatial(str(tmp_path / "file.jpg"), qt=steps.astype(np.uint16))
    theirs = read.read(tmp_path / "file.jpg").image.components
    told = [torch.from_numpy(theirs[index].table.astype(np.int64).reshape(1, 64)) for index in (0, 1)]
    assert {tuple(np.unique(t.table)) for t in theirs} == {tuple(np.unique(table)) for table in steps}
    rgb = torch.from_numpy(photo).permute(2, 0, 1)[None]
    ours = libjpeg.compress(rgb, *told, sampling=sampling).coefficients
    for channels, component in zip(ours, theirs, strict=True):
        assert np.array_equal(as_blocks(channels), component.coefficients)


def test_transform_is_near_the_true_one(photos):
    """A sixteenth of a coefficient's unit for the last rounding, an eighth for the first pass's, the rest little."""
    plane = torch.from_numpy(photos[0][..., 0].astype(np.int32))
    exact = dct.forward(plane.numpy() - 128.0)
    found = libjpeg.transform(plane[None])[0].permute(0, 2, 1, 3).numpy() / 8
    assert np.abs(found - exact).max() < 0.2


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
    np.testing.assert_allclose(planes, expected, rtol=0, atol=rounding(image))


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
    batch = libjpeg.compress(rgb, luma, chroma, sampling="4:2:0")
    for number, quality in enumerate(qualities):
        alone = compressed(photos[number], quality, "4:2:0")
        for a, b in zip(batch.coefficients, alone.coefficients, strict=True):
            assert torch.equal(a[number], b[0])


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
    means = libjpeg.average_cells(plane, down=down, across=across)
    assert means.dtype == torch.int32
    assert torch.equal(means, expected)


def test_values_are_frozen(photo):
    with pytest.raises(dataclasses.FrozenInstanceError):
        compressed(photo, 50, "gray").planes = None
