"""PSNR against scikit-image."""

import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from jpegfilter.metrics import psnr


def test_agrees_with_scikit_image_on_color(photo, jpeg):
    assert psnr(jpeg, photo) == pytest.approx(peak_signal_noise_ratio(photo, jpeg, data_range=255), abs=1e-12)


def test_agrees_with_scikit_image_on_gray(gray_photo, gray_jpeg):
    expected = peak_signal_noise_ratio(gray_photo, gray_jpeg, data_range=255)
    assert psnr(gray_jpeg, gray_photo) == pytest.approx(expected, abs=1e-12)


def test_peak_sets_the_unit(photo, jpeg):
    restored, reference = jpeg / 255, photo / 255
    assert psnr(restored, reference, peak=1.0) == pytest.approx(psnr(jpeg, photo), abs=1e-10)


def test_black_against_white_is_zero_decibels():
    assert psnr(np.zeros((5, 3), np.uint8), np.full((5, 3), 255, np.uint8)) == 0


def test_halving_the_error_gains_six_decibels():
    reference = np.full((9, 7, 3), 100.0)
    gain = psnr(reference + 2, reference) - psnr(reference + 4, reference)
    assert gain == pytest.approx(20 * math.log10(2), abs=1e-12)
