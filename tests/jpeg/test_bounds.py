"""The projection onto the intervals of a file: what it promises, measured in double precision."""

import dataclasses

import numpy as np
import pytest
from scipy.fft import dctn, idctn

from jpegfilter.jpeg import bounds, sampling
from jpegfilter.jpeg.image import Component

UNIT = 2.0**-24
"""float32's unit of rounding."""
ROWS, COLUMNS = 3, 4
GEOMETRIES = pytest.mark.parametrize(
    ("down", "across"), [(1, 1), (2, 2), (1, 2), (2, 1), (1, 4)], ids=["4:4:4", "4:2:0", "4:2:2", "4:4:0", "4:1:1"]
)
SEEDS = pytest.mark.parametrize("seed", range(4))


def coefficients_of(plane, component):
    """The coefficients of the cells' means, in double precision and by SciPy."""
    cells = plane.astype(np.float64).reshape(8 * ROWS, component.down, 8 * COLUMNS, component.across).mean((1, 3))
    return dctn(cells.reshape(ROWS, 8, COLUMNS, 8).swapaxes(1, 2), axes=(2, 3), norm="ortho")


def plane_of(coefficients, component):
    """A plane with these coefficients, constant over cells."""
    cells = idctn(coefficients, axes=(2, 3), norm="ortho").swapaxes(1, 2).reshape(8 * ROWS, 8 * COLUMNS)
    return np.kron(cells, np.ones((component.down, component.across)))


def quantized(plane, component):
    steps = coefficients_of(plane, component) / component.table
    return dataclasses.replace(component, coefficients=np.round(steps).astype(np.int16))


def excess(plane, component):
    """How far each coefficient lies outside its interval."""
    distance = np.abs(coefficients_of(plane, component) - component.coefficients * component.table.astype(np.float64))
    return distance - component.table / 2


def precision(before, after, component):
    """The most by which float32 can miss an interval's end, in the unit of coefficients.

    A coefficient is a sum of 64 products with an orthonormal row: it is off by at most 64 units times the norm of its
    block (Cauchy-Schwarz), of means whose own sums (of up to 4 samples) add 4 units. The correction, transformed back,
    is off by that per sample, hence by 8 times that per block. Adding it rounds the result by one unit.
    """

    def norm(plane):
        blocks = plane.astype(np.float64).reshape(ROWS, 8 * component.down, COLUMNS, 8 * component.across)
        return np.sqrt(np.square(blocks).sum((1, 3)).max() / (component.down * component.across))

    largest = np.abs(component.coefficients * component.table.astype(np.float64)).max()
    correction = after.astype(np.float64) - before
    return UNIT * (68 * norm(before) + 8 * 64 * norm(correction) + norm(after) + 4 * largest)


@pytest.fixture
def photo_plane(gray_photo):
    def cut(component):
        small = gray_photo[: 8 * ROWS * component.down, : 8 * COLUMNS]
        return np.kron(small, np.ones((1, component.across)))[:, : 8 * COLUMNS * component.across] - 128.0

    return cut


@pytest.fixture
def case(component, photo_plane):
    """A photograph, the component that a compressor makes of it, and a wrong restoration of it."""

    def make(down, across, seed):
        empty = component(rows=ROWS, columns=COLUMNS, down=down, across=across, step=4 + 9 * seed)
        random = np.random.default_rng(seed)
        original = photo_plane(empty) + random.normal(0, 2, (8 * ROWS * down, 8 * COLUMNS * across))
        wrong = (original + random.normal(0, 5 + 20 * seed, original.shape)).astype(np.float32)
        return original, quantized(original, empty), wrong

    return make


@GEOMETRIES
@SEEDS
def test_projection_is_inside(case, down, across, seed):
    _, component, wrong = case(down, across, seed)
    projected = bounds.project(wrong, component)
    assert projected.dtype == np.float32
    assert projected.shape == wrong.shape
    limit = precision(wrong, projected, component)
    assert limit < component.table.min() / 2 / 10
    assert excess(wrong, component).max() > 10 * limit
    assert excess(projected, component).max() <= limit


@GEOMETRIES
def test_projection_is_inside_from_anywhere(component, down, across):
    empty = component(rows=ROWS, columns=COLUMNS, down=down, across=across, step=1)
    random = np.random.default_rng(9)
    far = dataclasses.replace(empty, coefficients=random.integers(-60, 60, (ROWS, COLUMNS, 8, 8)).astype(np.int16))
    plane = random.uniform(-1000, 1000, (8 * ROWS * down, 8 * COLUMNS * across)).astype(np.float32)
    projected = bounds.project(plane, far)
    assert excess(projected, far).max() <= precision(plane, projected, far)


@GEOMETRIES
@SEEDS
def test_projection_is_idempotent(case, down, across, seed):
    _, component, wrong = case(down, across, seed)
    once = bounds.project(wrong, component)
    twice = bounds.project(once, component)
    # What float32 left outside by `precision` in each coefficient moves a block by 8 times that.
    assert np.abs(twice - once).max() <= 8 * precision(wrong, once, component)


@GEOMETRIES
@SEEDS
def test_projection_never_leads_away_from_the_original(case, down, across, seed):
    original, component, wrong = case(down, across, seed)
    projected = bounds.project(wrong, component)
    assert np.linalg.norm(projected - original) < np.linalg.norm(wrong - original)


@GEOMETRIES
@SEEDS
def test_projection_is_the_nearest_plane_inside(case, down, across, seed):
    """A point is the nearest of a convex set exactly where no other point of the set lies on the far side of it."""
    _, component, wrong = case(down, across, seed)
    projected = bounds.project(wrong, component).astype(np.float64)
    random = np.random.default_rng(100 + seed)
    limit = precision(wrong, projected, component) * np.sqrt(wrong.size)
    for _ in range(10):
        inside = component.coefficients + random.uniform(-0.5, 0.5, component.coefficients.shape)
        detail = random.normal(0, 10, wrong.shape)  # what the mean of a cell does not see
        detail -= np.kron(sampling.average(detail, down=down, across=across), np.ones((down, across)))
        feasible = plane_of(inside * component.table, component) + detail
        assert excess(feasible, component).max() < 1e-9
        away, along = wrong - projected, feasible - projected
        assert (away * along).sum() <= limit * (np.linalg.norm(away) + np.linalg.norm(along))


@SEEDS
def test_projection_without_subsampling_is_a_clip_of_the_coefficients(case, seed):
    _, component, wrong = case(1, 1, seed)
    middle, half = component.coefficients * component.table.astype(np.float64), component.table / 2
    expected = plane_of(np.clip(coefficients_of(wrong, component), middle - half, middle + half), component)
    projected = bounds.project(wrong, component)
    assert np.abs(projected - expected).max() <= 8 * precision(wrong, projected, component)


@GEOMETRIES
@SEEDS
def test_picture_inside_is_unchanged(case, down, across, seed):
    _, component, _ = case(down, across, seed)
    inside = component.coefficients + np.random.default_rng(seed).uniform(-0.49, 0.49, component.coefficients.shape)
    plane = plane_of(inside * component.table, component).astype(np.float32)
    kept = plane.copy()
    assert np.array_equal(bounds.project(plane, component), kept)
    assert np.array_equal(plane, kept)


@GEOMETRIES
def test_subsampled_correction_is_constant_over_cells(case, down, across):
    _, component, wrong = case(down, across, 1)
    change = (bounds.project(wrong, component) - wrong).reshape(8 * ROWS, down, 8 * COLUMNS, across)
    spread = np.ptp(change, axis=(1, 3))
    # Rounding of the sum and of the difference taken here: one unit each of what is below 512.
    assert spread.max() <= 4 * UNIT * 512


@GEOMETRIES
def test_input_is_not_written(case, down, across):
    _, component, wrong = case(down, across, 2)
    kept = wrong.copy(), component.coefficients.copy()
    projected = bounds.project(wrong, component)
    assert not np.shares_memory(projected, wrong)
    assert np.array_equal(wrong, kept[0])
    assert np.array_equal(component.coefficients, kept[1])


def test_blocks_do_not_see_each_other(case):
    _, component, wrong = case(1, 1, 3)
    other = wrong.copy()
    other[8:16, 8:16] += 50
    changed = np.abs(bounds.project(other, component) - bounds.project(wrong, component)) > 1e-3
    changed[8:16, 8:16] = False
    assert not changed.any()


def test_double_precision_stays(case):
    _, component, wrong = case(1, 1, 0)
    assert bounds.project(wrong.astype(np.float64), component).dtype == np.float64


def test_trust_is_the_best_blend_of_two_independent_witnesses():
    # Weights of a mean with the least variance, by their definition: inverse variances, summing to 1.
    table = np.array([[1, 2, 10, 100]] * 2, np.uint16)
    doubt, caught = bounds.Doubt(np.array([[0.5, 2.0, 2.0, 7.0]] * 2), 5.0), np.array([[0.0, 3.0]])
    for block, more in enumerate(caught[0]):
        file, estimate = table.astype(float) ** 2 / 12, doubt.deviation**2 + 5 * more
        expected = (1 / estimate) / (1 / estimate + 1 / file)
        np.testing.assert_allclose(bounds.trust(table, doubt, caught)[0, block], expected, rtol=1e-12)


def test_a_block_is_doubted_for_what_is_caught_in_it_alone():
    random = np.random.default_rng(1)
    table = np.full((8, 8), 10, np.uint16)
    component = Component(np.zeros((1, 2, 8, 8), np.int16), table, 1, 1)
    estimates = random.uniform(-4, 4, (1, 2, 8, 8))
    estimates[0, 1, 0, 0] = 50.0  # 45 beyond its interval
    plane = idctn(estimates, axes=(2, 3), norm="ortho").swapaxes(1, 2).reshape(8, 16).astype(np.float32)
    doubt = bounds.Doubt(np.full((8, 8), 1e-3, np.float32), 12.0)
    found = dctn(
        bounds.project(plane, component, doubt=doubt).astype(float).reshape(1, 8, 2, 8).swapaxes(1, 2),
        axes=(2, 3),
        norm="ortho",
    )
    np.testing.assert_allclose(found[0, 0], estimates[0, 0], atol=1e-3)
    caught = 45.0**2 / 64
    share = (10**2 / 12) / (10**2 / 12 + 12 * caught)
    np.testing.assert_allclose(found[0, 1, 1:], estimates[0, 1, 1:] * share, atol=1e-3)


@SEEDS
def test_detail_that_was_recorded_is_kept_and_no_other(case, seed):
    """Coefficients that the compression left: the decoder's at share 1, half way at a half; the rest as restored."""
    _, component, wrong = case(1, 1, seed)
    restored = wrong.astype(np.float64)
    plain = plane_of(component.coefficients * component.table.astype(np.float64), component)
    recorded = component.coefficients != 0
    recorded[..., 0, 0] = False
    assert recorded.any()
    before, of_plain = coefficients_of(restored, component), coefficients_of(plain, component)
    for share in (0.0, 0.5, 1.0):
        kept = coefficients_of(bounds.keep_detail(restored, plain, component.table, share=share), component)
        expected = np.where(recorded, before + share * (of_plain - before), before)
        assert np.abs(kept - expected).max() < 1e-9
