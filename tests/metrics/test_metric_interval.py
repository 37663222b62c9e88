"""The share of coefficients inside their intervals, against quantization by SciPy's DCT."""

import numpy as np
import pytest
from scipy.fft import dctn, idctn

from jpegfilter.metrics import share_inside

STEPS = (np.add.outer(np.arange(8), 2 * np.arange(8)) * 3 + 8).astype(np.uint16)
"""Unequal across the diagonal, so that u and v cannot be swapped unseen."""


def transform(plane):
    blocks = plane.reshape(plane.shape[0] // 8, 8, plane.shape[1] // 8, 8).swapaxes(1, 2)
    return dctn(blocks, axes=(2, 3), norm="ortho")


def plane_of(coefficients):
    rows, columns = coefficients.shape[:2]
    return idctn(coefficients, axes=(2, 3), norm="ortho").swapaxes(1, 2).reshape(8 * rows, 8 * columns)


@pytest.fixture
def plane(gray_photo):
    return gray_photo[:64, :88].astype(np.float64) - 128


@pytest.fixture
def coefficients(plane):
    return np.round(transform(plane) / STEPS).astype(np.int16)


def test_what_was_compressed_is_inside(plane, coefficients):
    assert share_inside(plane, coefficients, STEPS) == 1


def test_float32_does_not_cost_the_default_tolerance_anything(plane, coefficients):
    # Coefficients on the very ends of their intervals: only the rounding of the samples can put them outside.
    ends = plane_of((coefficients + 0.5) * STEPS).astype(np.float32)
    assert share_inside(ends, coefficients, STEPS) == 1


def test_share_is_counted_one_by_one(plane, coefficients):
    other = plane + np.random.default_rng(4).normal(0, 12, plane.shape)
    inside = np.abs(transform(other) / STEPS - coefficients) <= 0.5
    assert 0.1 < inside.mean() < 0.9
    assert share_inside(other, coefficients, STEPS, tolerance=0) == inside.mean()


def test_one_coefficient_outside_counts_as_one(plane, coefficients):
    coefficients[2, 3, 1, 0] += 2
    assert share_inside(plane, coefficients, STEPS) == 1 - 1 / coefficients.size


@pytest.mark.parametrize("sign", [-1, 1])
def test_tolerance_is_in_the_unit_of_coefficients(coefficients, sign):
    centers = coefficients * STEPS.astype(np.float64)
    centers[0, 0, 7, 7] += sign * (STEPS[7, 7] / 2 + 0.25)
    outside = plane_of(centers)
    assert share_inside(outside, coefficients, STEPS, tolerance=0.2) == 1 - 1 / coefficients.size
    assert share_inside(outside, coefficients, STEPS, tolerance=0.3) == 1


def test_large_coefficients_do_not_overflow():
    coefficients = np.full((1, 1, 8, 8), 300, np.int16)
    steps = np.full((8, 8), 255, np.uint8)
    assert share_inside(plane_of(coefficients * 255.0), coefficients, steps) == 1


@pytest.mark.parametrize("shape", [(64, 80), (63, 88), (64, 95), (64, 88, 1)])
def test_shapes_that_do_not_belong_together_are_refused(coefficients, shape):
    with pytest.raises(ValueError) as caught:
        share_inside(np.zeros(shape), coefficients, STEPS)
    assert str(shape) in str(caught.value)
    assert str(coefficients.shape) in str(caught.value)


def test_a_table_that_is_no_table_is_refused(plane, coefficients):
    with pytest.raises(ValueError, match=r"\(64,\)"):
        share_inside(plane, coefficients, STEPS.reshape(64))
