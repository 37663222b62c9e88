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
from jpegfilter.jpeg import color, dct, decode, tables  # noqa: E402
from jpegfilter.jpeg.image import ColorModel, Component, JpegImage  # noqa: E402
from jpegfilter.jpeg.sampling import FACTORS  # noqa: E402
from jpegfilter.training import degradation, losses  # noqa: E402
from jpegfilter.training.degradation import Past, Step, degrade  # noqa: E402

PILLOWS = ("4:4:4", "4:2:2", "4:2:0")


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
    ours = degradation.compress(rgb, *told, sampling=sampling).coefficients
    for channels, component in zip(ours, theirs, strict=True):
        assert np.array_equal(as_blocks(channels), component.coefficients)


def test_transform_is_near_the_true_one(photos):
    """A sixteenth of a coefficient's unit for the last rounding, an eighth for the first pass's, little for constants."""
    plane = torch.from_numpy(photos[0][..., 0].astype(np.int32))
    exact = dct.forward(plane.numpy() - 128.0)
    found = degradation.transform(plane[None])[0].permute(0, 2, 1, 3).numpy() / 8
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
    batch = degradation.compress(rgb, luma, chroma, sampling="4:2:0")
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
    means = degradation.average_cells(plane, down=down, across=across)
    assert means.dtype == torch.int32
    assert torch.equal(means, expected)


def test_values_are_frozen(photo):
    with pytest.raises(dataclasses.FrozenInstanceError):
        compressed(photo, 50, "gray").planes = None


PATCH = 64
PASTS = {
    "none": None,
    "pixels": (False, None, True),
    "twice, found": (True, None, True),
    "twice, not found": (True, None, False),
    "resized": (True, 96, False),
}
"""Whether a second compression followed, the size between, and whether the first was found."""
OFFSETS = ((0, 0), (8, 0), (3, 13), (15, 15))


def step(quality, sampling="4:4:4", count=3):
    return Step(table(tables.LUMA, quality).repeat(count, 1), table(tables.CHROMA, quality).repeat(count, 1), sampling)


def past(name, first, offset=(0, 0)):
    if PASTS[name] is None:
        return None
    again, size, found = PASTS[name]
    return Past(first, again, offset, size, found)


@pytest.fixture(scope="module")
def rgb(photos):
    """Three crops of 128 by 128, whose every sample lies in 48..208, so that nothing is clipped."""
    return torch.from_numpy(np.stack(photos) // 8 * 5 + 48).permute(0, 3, 1, 2).contiguous()


def room(name, rgb):
    """What a past of this name needs of a picture."""
    return rgb[..., :PATCH, :PATCH] if PASTS[name] is None else rgb


def test_once_compressed_is_the_step(rgb):
    last = step(20, "4:2:0")
    shown = degrade(rgb, last, None, patch=128)
    assert torch.equal(shown.planes, last(rgb))
    assert torch.equal(shown.planes, degradation.compress(rgb, last.luma, last.chroma, sampling="4:2:0").planes)
    assert torch.equal(shown.tables, last.tables)
    assert torch.equal(shown.clean, rgb)


def test_tables_are_told_as_they_are_written():
    """`[v, u]`, luma before chroma."""
    told = step(30).tables
    assert (told.dtype, tuple(told.shape)) == (torch.float32, (3, 2, 8, 8))
    for index, base in enumerate((tables.LUMA, tables.CHROMA)):
        assert np.array_equal(told[2, index].numpy(), tables.ijg_table(base, 30))


@pytest.mark.parametrize("name", PASTS)
@pytest.mark.parametrize("sampling", ["4:2:0", "4:1:1", "gray"])
def test_what_is_shown_has_its_shape(rgb, name, sampling):
    shown = degrade(room(name, rgb), step(80, sampling), past(name, step(20, sampling), (5, 14)), patch=PATCH)
    assert (shown.planes.dtype, tuple(shown.planes.shape)) == (torch.float32, (3, 3, PATCH, PATCH))
    assert (shown.tables.dtype, tuple(shown.tables.shape)) == (torch.float32, (3, 2, 8, 8))
    assert (shown.clean.dtype, tuple(shown.clean.shape)) == (torch.uint8, (3, 3, PATCH, PATCH))


@pytest.mark.parametrize("name", PASTS)
def test_all_that_is_shown_lies_where_the_batch_lies(rgb, name):
    """Tables are drawn on the processor; the network may be elsewhere."""
    shown = degrade(room(name, rgb).to("meta"), step(80), past(name, step(20)), patch=PATCH)
    assert {shown.planes.device.type, shown.tables.device.type, shown.clean.device.type} == {"meta"}


def shifts(by):
    return [(down, right) for down in range(-by, by + 1) for right in range(-by, by + 1)]


@pytest.mark.parametrize("name", PASTS)
@pytest.mark.parametrize("offset", OFFSETS, ids=str)
@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:0"])
def test_planes_line_up_with_the_clean_ones(rgb, name, offset, sampling):
    """Moved by a sample in any direction, each plane would be further from the clean one.

    At steps of about 1: what coarser ones leave of chroma need not lie where it was.
    """
    shown = degrade(room(name, rgb), step(100, sampling), past(name, step(99, sampling), offset), patch=PATCH)
    clean, inner = losses.clean_planes(shown.clean), slice(2, -2)
    for plane in range(3):
        error = {
            shift: (shown.planes.roll(shift, (2, 3)) - clean)[:, plane, inner, inner].square().mean().item()
            for shift in shifts(2)
        }
        assert min(error, key=error.__getitem__) == (0, 0)


@pytest.mark.parametrize("name", ["pixels", "twice, found", "twice, not found"])
@pytest.mark.parametrize("offset", OFFSETS, ids=str)
def test_clean_patch_is_a_window_of_the_picture(rgb, name, offset):
    """It begins where the told compression's first whole block does."""
    shown = degrade(rgb, step(90), past(name, step(20), offset), patch=PATCH)
    found = PASTS[name][2]
    top, left = (-(-v // 8) * 8 if found else v for v in offset)
    assert torch.equal(shown.clean, rgb[..., top : top + PATCH, left : left + PATCH])


@pytest.mark.parametrize("name", PASTS)
def test_network_is_told_the_first_compression_where_it_is_found(rgb, name):
    first, last = step(20), step(90)
    shown = degrade(room(name, rgb), last, past(name, first, (3, 13)), patch=PATCH)
    found = PASTS[name] is not None and PASTS[name][2]
    assert torch.equal(shown.tables, first.tables if found else last.tables)


def away(shown, plane, shift=(0, 0)):
    """How far each coefficient of a plane, cut into blocks from `shift` on, lies from a multiple of its told step."""
    rows, columns = (slice(v, v + PATCH - 8) for v in shift)
    blocks = dct.forward(shown.planes[:, plane, rows, columns].reshape(-1, PATCH - 8).double().numpy())
    steps = shown.tables[0, min(plane, 1)].double().numpy()
    return np.abs(blocks - np.rint(blocks / steps) * steps)


ROUNDED = 0.5 * 8
"""What rounding to 8 bits can move a coefficient by: half a step a sample, and the orthonormal basis's 64 absolute
values add up to 8 at the most. The rows of the conversion to Y, Cb and Cr add up to 1."""


@pytest.mark.parametrize("offset", OFFSETS, ids=str)
def test_kept_pixels_hold_the_first_compressions_multiples_from_the_patchs_corner_on(rgb, offset):
    shown = degrade(rgb, step(90), past("pixels", step(20), offset), patch=PATCH)
    # Whole samples of RGB, which float32 converts there and back.
    torch.testing.assert_close(shown.planes, losses.clean_planes(rounded(shown.planes)), rtol=0, atol=1e-4)
    for plane in range(3):
        assert away(shown, plane).max() <= ROUNDED + 1e-3
        others = [away(shown, plane, (v, u)).max() for v in range(8) for u in range(8) if v or u]
        assert min(others) > ROUNDED


def rounded(planes):
    """8-bit RGB of planes."""
    matrix = torch.tensor(color.RGB_FROM_YCBCR, dtype=torch.float32)
    return (torch.einsum("oc,nchw->nohw", matrix, planes) + 128).round().clamp(0, 255)


@pytest.mark.parametrize("name", ["pixels", "twice, found"])
@pytest.mark.parametrize("offset", OFFSETS, ids=str)
def test_blocks_of_a_found_compression_begin_at_the_patchs_corner(rgb, name, offset):
    """Nowhere else are the coefficients nearer to multiples of its steps, even after another compression."""
    shown = degrade(rgb, step(92), past(name, step(20), offset), patch=PATCH)
    mean = {(v, u): away(shown, 0, (v, u)).mean() for v in range(8) for u in range(8)}
    assert min(mean, key=mean.__getitem__) == (0, 0)


@pytest.mark.parametrize("name", ["none", "twice, not found", "resized"])
def test_blocks_of_the_header_begin_at_the_patchs_corner_otherwise(rgb, name):
    """They are decoded and never rounded."""
    shown = degrade(room(name, rgb), step(60), past(name, step(20), (3, 13)), patch=PATCH)
    for plane in range(3):
        assert away(shown, plane).max() < 0.01
        assert away(shown, plane, (3, 5)).max() > 1


def test_past_adds_to_the_error(rgb):
    """Of the header's compression alone little would be left to restore."""

    def error(name):
        shown = degrade(room(name, rgb), step(90), past(name, step(20), (3, 13)), patch=PATCH)
        return losses.rgb_error(shown.planes, losses.clean_planes(shown.clean)).mean()

    once = error("none")
    assert all(error(name) > 2 * once for name in PASTS if name != "none")


def test_a_later_compression_of_steps_of_one_changes_next_to_nothing(rgb):
    """Twice compressed is kept pixels, but for rounding: a quarter of a step in the mean."""
    kept, twice = (degrade(rgb, step(100), past(n, step(20), (3, 13)), patch=PATCH) for n in ("pixels", "twice, found"))
    assert torch.equal(kept.clean, twice.clean)
    assert (kept.planes - twice.planes).abs().mean() < 0.5
