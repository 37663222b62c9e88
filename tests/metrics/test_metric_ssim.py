"""SSIM against scikit-image, and its flat window against the definition, window by window."""

import math

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from jpegfilter.metrics import ssim, ssim_uniform


def gaussian_by_scikit_image(restored, reference, channel_axis):
    return structural_similarity(
        reference.astype(np.float64),
        restored.astype(np.float64),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        channel_axis=channel_axis,
    )


def uniform_by_definition(restored, reference):
    """Wang et al., equation 13, with the two-pass mean, variance and covariance of each 8x8 window."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    scores = []
    for row in range(restored.shape[0] - 7):
        for column in range(restored.shape[1] - 7):
            x, y = (p[row : row + 8, column : column + 8].astype(np.float64) for p in (restored, reference))
            covariance = np.mean((x - x.mean()) * (y - y.mean()))
            numerator = (2 * x.mean() * y.mean() + c1) * (2 * covariance + c2)
            scores.append(numerator / ((x.mean() ** 2 + y.mean() ** 2 + c1) * (x.var() + y.var() + c2)))
    return sum(scores) / len(scores)


def test_gaussian_agrees_with_scikit_image_on_color(photo, jpeg):
    assert ssim(jpeg, photo) == pytest.approx(gaussian_by_scikit_image(jpeg, photo, -1), abs=1e-12)


def test_gaussian_agrees_with_scikit_image_on_gray(gray_photo, gray_jpeg):
    assert ssim(gray_jpeg, gray_photo) == pytest.approx(
        gaussian_by_scikit_image(gray_jpeg, gray_photo, None), abs=1e-12
    )


@pytest.mark.parametrize("rows", [73, 74, 75, 138, 139])
def test_gaussian_sees_every_row_once(large_photo, large_jpeg, rows):
    # Rows are worked off in strips of 64 positions: one row fewer than a strip, exactly one, one more, and twice.
    restored, reference = large_jpeg[:rows, :40], large_photo[:rows, :40]
    assert ssim(restored, reference) == pytest.approx(gaussian_by_scikit_image(restored, reference, -1), abs=1e-12)


def test_uniform_follows_the_definition(photo, jpeg):
    restored, reference = jpeg[:26, :29], photo[:26, :29]
    expected = [uniform_by_definition(restored[..., c], reference[..., c]) for c in range(3)]
    assert ssim_uniform(restored, reference) == pytest.approx(sum(expected) / 3, abs=1e-12)


def test_uniform_sees_every_row_once(large_photo, large_jpeg):
    restored, reference = large_jpeg[:140, :12, 0], large_photo[:140, :12, 0]
    assert ssim_uniform(restored, reference) == pytest.approx(uniform_by_definition(restored, reference), abs=1e-12)


def test_flat_pictures_are_compared_by_luminance_alone():
    dark, bright = np.full((16, 16), 50), np.full((16, 16), 200)
    c1 = 2.55**2
    expected = (2 * 50 * 200 + c1) / (50**2 + 200**2 + c1)
    assert ssim(dark, bright) == pytest.approx(expected, abs=1e-9)
    assert ssim_uniform(dark, bright) == pytest.approx(expected, abs=1e-9)


def test_negative_is_below_zero(gray_photo):
    assert ssim(255 - gray_photo, gray_photo) < 0
    assert ssim_uniform(255 - gray_photo, gray_photo) < 0


def test_pictures_smaller_than_the_window_have_no_score():
    for function, side in ((ssim, 11), (ssim_uniform, 8)):
        assert math.isnan(function(np.ones((side - 1, 40)), np.ones((side - 1, 40))))
        assert math.isnan(function(np.ones((40, side - 1, 3)), np.ones((40, side - 1, 3))))
        assert function(np.ones((side, side)), np.ones((side, side))) == 1
