"""What befalls training pictures: how what a network is shown lies over what it should have made of it."""

import numpy as np
import pytest
from skimage import data

torch = pytest.importorskip("torch")

from jpegfilter.compression.libjpeg import Step, compress  # noqa: E402
from jpegfilter.compression.planes import clean_planes  # noqa: E402
from jpegfilter.jpeg import color, dct, tables  # noqa: E402
from jpegfilter.training import losses  # noqa: E402
from jpegfilter.training.degradation import Past, degrade  # noqa: E402


def table(base, quality):
    return torch.from_numpy(tables.ijg_table(base, quality).astype(np.int64).reshape(1, 64))


@pytest.fixture(scope="module")
def photos():
    crops = (data.astronaut()[:128, 128:256], data.coffee()[100:228, 200:328], data.chelsea()[60:188, 100:228])
    return [np.ascontiguousarray(crop) for crop in crops]


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
    assert torch.equal(shown.planes, compress(rgb, last.luma, last.chroma, sampling="4:2:0").planes)
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
    clean, inner = clean_planes(shown.clean), slice(2, -2)
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
    torch.testing.assert_close(shown.planes, clean_planes(rounded(shown.planes)), rtol=0, atol=1e-4)
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
        return losses.rgb_error(shown.planes, clean_planes(shown.clean)).mean()

    once = error("none")
    assert all(error(name) > 2 * once for name in PASTS if name != "none")


def test_a_later_compression_of_steps_of_one_changes_next_to_nothing(rgb):
    """Twice compressed is kept pixels, but for rounding: a quarter of a step in the mean."""
    kept, twice = (degrade(rgb, step(100), past(n, step(20), (3, 13)), patch=PATCH) for n in ("pixels", "twice, found"))
    assert torch.equal(kept.clean, twice.clean)
    assert (kept.planes - twice.planes).abs().mean() < 0.5
