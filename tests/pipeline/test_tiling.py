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


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 7, 8), (1, 1, 1), (3, 9, 15)])
def test_padding_holds_the_last_row_and_column(shape):
    planes = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    padded = tiling.pad(planes, 8)
    rows = np.minimum(np.arange(padded.shape[1]), shape[1] - 1)
    columns = np.minimum(np.arange(padded.shape[2]), shape[2] - 1)
    assert np.array_equal(padded, planes[:, rows][:, :, columns])
    assert padded.shape == (shape[0], -(-shape[1] // 8) * 8, -(-shape[2] // 8) * 8)
    assert padded.dtype == planes.dtype
