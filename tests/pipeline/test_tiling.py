"""Tiles against their definition, sample by sample."""

from itertools import product

import numpy as np
import pytest

from jpegfilter.jpeg.decode import Region
from jpegfilter.pipeline import tiling

STEPS = [(8, 8), (16, 16), (8, 32), (16, 8), (24, 24)]
GRIDS = [(1, 1), (1, 7), (5, 3), (9, 13)]
"""In steps."""


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("side", [1, 64, 100, 1024])
def test_tiles_cover_every_sample_once_with_edges_on_steps(step, grid, side):
    height, width = grid[0] * step[0], grid[1] * step[1]
    times = np.zeros((height, width), int)
    for tile in tiling.tiles(height, width, side=side, step=step):
        times[tile.top : tile.bottom, tile.left : tile.right] += 1
        assert tile.top % step[0] == tile.bottom % step[0] == 0
        assert tile.left % step[1] == tile.right % step[1] == 0
        assert 0 < tile.height <= max(side, step[0])
        assert 0 < tile.width <= max(side, step[1])
    assert (times == 1).all()


def test_tiles_come_row_by_row():
    corners = [(tile.top, tile.left) for tile in tiling.tiles(96, 128, side=64, step=(16, 16))]
    assert corners == sorted(corners) == list(product((0, 64), (0, 64)))


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("by", [0, 1, 8, 20, 33])
def test_widening_reaches_far_enough_or_the_border(step, by):
    height, width = 9 * step[0], 13 * step[1]
    for tile in tiling.tiles(height, width, side=48, step=step):
        wide = tiling.widen(tile, by=by, step=step, height=height, width=width)
        assert wide.top == 0 or 0 < wide.top <= tile.top - by
        assert wide.left == 0 or 0 < wide.left <= tile.left - by
        assert wide.bottom == height or tile.bottom + by <= wide.bottom < height
        assert wide.right == width or tile.right + by <= wide.right < width
        assert wide.top % step[0] == wide.bottom % step[0] == wide.left % step[1] == wide.right % step[1] == 0


def test_widening_adds_less_than_a_step_too_much():
    region = Region(160, 160, 176, 176)
    assert tiling.widen(region, by=17, step=(16, 8), height=320, width=320) == Region(128, 136, 208, 200)


def test_window_cuts_the_inner_from_the_outer():
    rows, columns = np.mgrid[:40, :60]
    outer, inner = Region(8, 16, 40, 48), Region(16, 16, 24, 40)
    cut = (rows * 100 + columns)[outer.top : outer.bottom, outer.left : outer.right][tiling.window(inner, outer)]
    assert np.array_equal(cut, (rows * 100 + columns)[16:24, 16:40])


@pytest.mark.parametrize("multiple", [1, 2, 8, 12, 32])
@pytest.mark.parametrize("mcu", [(8, 8), (16, 16), (8, 32), (8, 24)])
def test_common_step_is_the_least_that_both_allow(mcu, multiple):
    step = tiling.common_step(mcu, multiple)
    for side, block in zip(step, mcu, strict=True):
        assert [n for n in range(1, side + 1) if n % block == n % multiple == 0] == [side]


@pytest.mark.parametrize("size", [(40, 24), (8, 8), (1, 1), (7, 30)], ids=str)
@pytest.mark.parametrize("multiple", [1, 2, 8])
def test_what_lies_outside_the_picture_is_its_mirror_image(size, multiple):
    height, width = size
    planes = np.random.default_rng(1).normal(size=(3, height, width)).astype(np.float32)
    by = 3 * multiple
    whole = Region(0, 0, height, width)
    mirrored = tiling.mirror(planes, tiling.around(whole, by=by), whole, multiple=multiple)
    rows, columns = (
        [place if (place := n % (2 * side)) < side else 2 * side - 1 - place for n in range(-by, length - by)]
        for side, length in zip(size, mirrored.shape[1:], strict=True)
    )
    assert np.array_equal(mirrored, planes[:, rows][:, :, columns])
    assert all(side % multiple == 0 for side in mirrored.shape[1:])
    assert 0 <= mirrored.shape[1] - height - 2 * by < multiple
    assert mirrored.dtype == planes.dtype


def test_a_tile_inside_the_picture_sees_nothing_but_the_picture():
    planes = np.random.default_rng(2).normal(size=(3, 64, 64)).astype(np.float32)
    wanted = tiling.around(Region(16, 16, 32, 48), by=8)
    seen = tiling.within(wanted, height=64, width=64)
    assert seen == wanted
    view = planes[:, *tiling.window(seen, Region(0, 0, 64, 64))]
    assert np.array_equal(tiling.mirror(view, wanted, seen, multiple=2), view)
