"""Traces of earlier compressions, in pictures that were compressed by the definition on a grid of one's choice."""

import itertools

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn, idctn
from skimage import color, data

from jpegfilter.jpeg import past, tables

PHOTOS = ("astronaut", "coffee", "chelsea", "rocket", "camera")
GRIDS = [(0, 0), (3, 5), (7, 1), (0, 4), (4, 4)]


def luma_of(name, side=160):
    """Level-shifted whole numbers, float32, of the middle of one of scikit-image's photos."""
    pixels = getattr(data, name)()
    gray = pixels if pixels.ndim == 2 else np.rint(255 * color.rgb2gray(pixels))
    top, left = ((length - side) // 2 for length in gray.shape)
    return gray[top : top + side, left : left + side].astype(np.float32) - 128


def compressed(luma, quality, top=0, left=0):
    """A plane after the steps of a quality (T.81, A.3.3 and A.3.4) on a grid, as a decoder of 8 bits shows it."""
    table = tables.ijg_table(tables.LUMA, quality).astype(np.float64)
    height, width = luma.shape
    framed = np.pad(
        luma.astype(np.float64), ((-top % 8, -(height - top) % 8), (-left % 8, -(width - left) % 8)), "edge"
    )
    rows, columns = framed.shape
    blocks = framed.reshape(rows // 8, 8, columns // 8, 8).swapaxes(1, 2)
    kept = table * np.rint(dctn(blocks, axes=(2, 3), norm="ortho") / table)
    shown = idctn(kept, axes=(2, 3), norm="ortho").swapaxes(1, 2).reshape(rows, columns)
    inside = shown[-top % 8 : -top % 8 + height, -left % 8 : -left % 8 + width]
    return np.clip(np.rint(inside), -128, 127).astype(np.float32)


def said(found):
    return found and (found.quality, found.top, found.left)


# What is found.


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("quality", [10, 85])
def test_quality_and_grid_of_a_past_are_found(quality, grid):
    assert said(past.find([compressed(luma_of("astronaut"), quality, *grid)], None)) == (quality, *grid)


@pytest.mark.parametrize("name", PHOTOS)
def test_every_photo_shows_its_past(name):
    assert said(past.find([compressed(luma_of(name), 25, 2, 6)], None)) == (25, 2, 6)


@pytest.mark.parametrize("grid", GRIDS[:3])
@pytest.mark.parametrize(("first", "last"), [(10, 75), (30, 90), (75, 100)])
def test_a_finer_compression_does_not_hide_a_coarser_one(first, last, grid):
    picture = compressed(compressed(luma_of("chelsea"), first, *grid), last)
    found = past.find([picture], tables.ijg_table(tables.LUMA, last))
    assert (found.top, found.left) == grid
    # Neighbouring qualities share most of their steps: below another compression one may pass for the other.
    assert abs(found.quality - first) <= 1


def test_a_mirrored_picture_has_a_mirrored_past():
    picture = compressed(luma_of("coffee")[:144, :152], 40, 3, 5)
    across, down = (past.find([np.ascontiguousarray(turned)], None) for turned in (picture[:, ::-1], picture[::-1]))
    assert said(across) == (40, 3, (152 - 5) % 8)
    assert said(down) == (40, (144 - 3) % 8, 5)


def test_brightness_does_not_matter():
    luma = luma_of("camera") / 2
    picture = compressed(luma, 35, 1, 2)
    assert np.abs(picture).max() < 100
    assert said(past.find([picture + 20], None)) == said(past.find([picture], None)) == (35, 1, 2)


def test_windows_speak_together():
    parts = np.split(compressed(luma_of("rocket"), 20), 4)
    assert parts[0].shape == (40, 160)
    apart = [past.find([part], None).evidence for part in parts if part.size]
    together = past.find(parts, None)
    assert said(together) == (20, 0, 0)
    assert together.evidence == pytest.approx(sum(apart), rel=0.3)


def test_evidence_is_what_a_picture_gives():
    found, less = (past.find([compressed(luma_of("chelsea", side), 30)], None) for side in (128, 64))
    assert found.evidence > 2 * less.evidence > 0


# Where nothing is found.


@pytest.mark.parametrize("name", PHOTOS)
def test_a_clean_photo_has_no_past(name):
    assert past.find([luma_of(name)], None) is None


@pytest.mark.parametrize("name", PHOTOS)
def test_a_single_compression_is_no_past_of_itself(name):
    for quality in (10, 35, 75, 95):
        table = tables.ijg_table(tables.LUMA, quality)
        assert past.find([compressed(luma_of(name), quality)], table) is None, quality


@pytest.mark.parametrize("steps", [np.full((8, 8), 5), np.full((8, 8), 24), 2 + 3 * np.add.outer(range(8), range(8))])
def test_tables_of_other_encoders_are_no_past(steps, monkeypatch):
    monkeypatch.setattr(tables, "ijg_table", lambda base, quality: steps)
    picture = compressed(luma_of("astronaut"), 50)
    monkeypatch.undo()
    assert past.find([picture], steps.astype(np.uint16)) is None


@pytest.mark.parametrize(("first", "last"), [(90, 10), (75, 40), (50, 50), (80, 82)])
def test_a_past_that_is_no_coarser_does_not_matter(first, last):
    picture = compressed(compressed(luma_of("astronaut"), first), last)
    assert past.find([picture], tables.ijg_table(tables.LUMA, last)) is None


def test_a_resized_picture_keeps_no_past():
    picture = Image.fromarray((compressed(luma_of("astronaut"), 15) + 128).astype(np.uint8))
    smaller = np.asarray(picture.resize((120, 120), Image.Resampling.BICUBIC), np.float32) - 128
    assert past.find([smaller], None) is None


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (7, 7), (8, 8), (16, 16)])
@pytest.mark.parametrize("header", [None, tables.ijg_table(tables.LUMA, 90)], ids=["pixels", "JPEG"])
def test_little_is_no_evidence(shape, header):
    noise = np.random.default_rng(1).integers(-128, 128, shape).astype(np.float32)
    for plane in (noise, np.zeros(shape, np.float32), np.full(shape, 127, np.float32)):
        assert past.find([plane], header) is None


def test_nothing_to_look_at_is_no_past():
    assert past.find([], None) is past.find([], tables.LUMA) is None


ROWS, COLUMNS = np.mgrid[:136, :160]
PATTERNS = {
    "stripes": COLUMNS % 2 * 255,
    "stripes of a block": COLUMNS % 8 // 4 * 180,
    "stripes of no block": ROWS % 10 // 4 * 180,
    "squares of a block": (COLUMNS // 8 + ROWS // 8) % 2 * 20 + 100,
    "squares of no block": (COLUMNS // 3 + ROWS // 3) % 2 * 200,
    "squares of two blocks": (COLUMNS // 16 + ROWS // 16) % 2 * 200,
    "a ramp": COLUMNS * 255 // 159,
    "a ramp that wraps": (COLUMNS + ROWS) % 256,
}


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_what_repeats_itself_says_nothing_new(pattern):
    plane = pattern.astype(np.float32) - 128
    for offset in (0, 3):
        assert past.find([plane[offset:, offset:]], None) is None
        picture = compressed(plane[offset:, offset:], 80)
        assert past.find([picture], tables.ijg_table(tables.LUMA, 80)) is None


@pytest.mark.parametrize("side", [4, 5, 8, 16])
def test_large_squares_of_any_color_are_no_blocks(side):
    squares = np.random.default_rng(2).integers(0, 256, (30, 30)).repeat(side, 0).repeat(side, 1)[:136, :160]
    assert past.find([squares.astype(np.float32) - 128], None) is None


def test_parts_are_not_written():
    picture = compressed(luma_of("camera"), 30, 1, 1)
    kept = picture.copy()
    assert past.find([picture], None) is not None
    assert np.array_equal(picture, kept)


# Where is looked.


@pytest.mark.parametrize("size", [(1, 1), (8, 600), (576, 576), (192, 100)])
def test_a_small_picture_is_looked_at_whole(size):
    height, width = size
    if max(size) <= past.WINDOW * past.WINDOWS:
        assert list(past.windows(height, width)) == [(slice(0, height), slice(0, width))]
    else:
        assert {(rows.start, rows.stop) for rows, _ in past.windows(height, width)} == {(0, height)}


@pytest.mark.parametrize("size", [(577, 577), (600, 4000), (3001, 577), (10_000, 13_333)])
def test_windows_lie_apart_on_the_grid_inside_the_picture(size):
    seen = list(past.windows(*size))
    assert len(seen) == past.WINDOWS**2
    for place in seen:
        for length, part in zip(size, place, strict=True):
            assert part.start % 8 == part.stop % 8 == 0
            assert 0 <= part.start < part.stop <= length
            assert part.stop - part.start == past.WINDOW
    for across in (0, 1):
        starts = sorted({place[across].start for place in seen})
        assert all(b - a >= past.WINDOW for a, b in itertools.pairwise(starts))
        assert starts[0] == 0
        assert starts[-1] > size[across] - past.WINDOW - 8
