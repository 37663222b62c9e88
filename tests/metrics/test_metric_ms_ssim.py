"""MS-SSIM against pytorch-msssim.

It agrees in the constants, the valid windows, the mean over channels after the product, and 0 for a negative mean; its
window is made in float32, which costs some digits. One thing is apart: where a side is odd it pads the last row or
column before averaging, and this room leaves it out; so the pictures compared have sides that stay even.
"""

import math

import numpy as np
import pytest

from jpegfilter.metrics import ms_ssim

torch = pytest.importorskip("torch", reason="torch is missing: MS-SSIM is NOT compared with an independent library")
independent = pytest.importorskip(
    "pytorch_msssim", reason="pytorch-msssim is missing: MS-SSIM is NOT compared with an independent library"
)
FLOAT32_WINDOW = 1e-6


def batch(picture):
    return torch.from_numpy(np.moveaxis(picture.astype(np.float64), 2, 0).copy())[None]


def test_agrees_with_an_independent_library(large_photo, large_jpeg):
    expected = independent.ms_ssim(batch(large_jpeg), batch(large_photo), data_range=255)
    assert ms_ssim(large_jpeg, large_photo) == pytest.approx(expected.item(), abs=FLOAT32_WINDOW)


def test_an_odd_last_row_and_column_are_left_out_of_the_smaller_scales(large_photo, large_jpeg):
    even = [large_jpeg, large_photo]
    odd = [np.pad(p, ((0, 1), (0, 1), (0, 0)), mode="reflect") for p in even]
    assert all(side % 2 for side in odd[0].shape[:2])
    assert ms_ssim(*odd) == pytest.approx(ms_ssim(*even), abs=2e-3)
    assert ms_ssim(*odd) != ms_ssim(*even)


def test_gray_is_a_picture_of_one_channel(large_photo, large_jpeg):
    channels = [ms_ssim(large_jpeg[..., c], large_photo[..., c]) for c in range(3)]
    assert ms_ssim(large_jpeg, large_photo) == pytest.approx(sum(channels) / 3, abs=1e-14)


def test_negative_scores_nothing(large_photo):
    assert ms_ssim(255 - large_photo, large_photo) == 0


def test_pictures_below_176_samples_have_no_score():
    assert math.isnan(ms_ssim(np.ones((175, 200)), np.ones((175, 200))))
    assert math.isnan(ms_ssim(np.ones((200, 175, 3)), np.ones((200, 175, 3))))
    assert ms_ssim(np.ones((176, 176)), np.ones((176, 176))) == 1
