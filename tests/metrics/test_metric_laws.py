"""What holds for every metric of the table."""

import math

import numpy as np
import pytest

from jpegfilter import metrics
from jpegfilter.metrics import METRICS

SYMMETRIC = ("psnr", "ssim", "ssim-8", "ms-ssim")
EVERY = pytest.mark.parametrize("name", METRICS)


def test_table_names_its_functions():
    assert {
        "psnr": metrics.psnr,
        "psnr-b": metrics.psnr_b,
        "psnr-b-luma": metrics.psnr_b_luma,
        "ssim": metrics.ssim,
        "ssim-8": metrics.ssim_uniform,
        "ms-ssim": metrics.ms_ssim,
    } == METRICS


@EVERY
def test_equal_pictures_score_best(name):
    # Flat tiles whose edges lie halfway between block boundaries, so that PSNR-B has no blocking to count.
    tiles = np.random.default_rng(5).integers(0, 256, (24, 24, 3), np.uint8)
    picture = np.kron(tiles, np.ones((8, 8, 1), np.uint8))[4:184, 4:188]
    assert METRICS[name](picture, picture) == (math.inf if name.startswith("psnr") else 1.0)


@EVERY
def test_compression_scores_below_the_best(name, large_photo, large_jpeg):
    low, high = (20, 35) if name.startswith("psnr") else (0.5, 0.98)
    assert low < METRICS[name](large_jpeg, large_photo) < high


@pytest.mark.parametrize("name", SYMMETRIC)
def test_swapping_the_pictures_changes_nothing(name, large_photo, large_jpeg):
    assert METRICS[name](large_jpeg, large_photo) == METRICS[name](large_photo, large_jpeg)


@EVERY
@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int64, np.float32, np.float64])
def test_sample_type_changes_nothing(name, dtype, large_photo, large_jpeg):
    expected = METRICS[name](large_jpeg, large_photo)
    assert METRICS[name](large_jpeg.astype(dtype), large_photo) == expected


@EVERY
def test_memory_order_changes_nothing_and_nothing_is_written(name, large_photo, large_jpeg):
    restored, reference = np.asfortranarray(large_jpeg, np.float64), large_photo.astype(np.float64)
    kept = restored.copy(), reference.copy()
    assert METRICS[name](restored, reference) == METRICS[name](large_jpeg, large_photo)
    assert np.array_equal(restored, kept[0])
    assert np.array_equal(reference, kept[1])


@EVERY
def test_gray_with_and_without_a_channel_axis_is_the_same(name, large_photo, large_jpeg):
    restored, reference = large_jpeg[..., 1], large_photo[..., 1]
    assert METRICS[name](restored[..., None], reference[..., None]) == METRICS[name](restored, reference)


@EVERY
def test_fractions_of_a_step_count(name, large_photo):
    reference = large_photo.astype(np.float64)
    restored = reference.copy()
    restored[90, 90] += 0.25
    best = math.inf if name.startswith("psnr") else 1.0
    assert METRICS[name](restored, reference) < best


@EVERY
@pytest.mark.parametrize("other", [(180, 184), (184, 180, 3), (180, 184, 1)])
def test_other_shapes_are_refused_by_name(name, other):
    with pytest.raises(ValueError) as caught:
        METRICS[name](np.zeros((180, 184, 3)), np.zeros(other))
    assert "(180, 184, 3)" in str(caught.value)
    assert str(other) in str(caught.value)


@EVERY
@pytest.mark.parametrize("shape", [(16,), (1, 16, 16, 3), (0, 16), (16, 16, 0)])
def test_what_is_no_picture_is_refused(name, shape):
    with pytest.raises(ValueError, match="wanted pictures"):
        METRICS[name](np.zeros(shape), np.zeros(shape))
