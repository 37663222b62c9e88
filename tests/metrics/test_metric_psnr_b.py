"""PSNR-B against its definition, neighbor by neighbor, and against sewar as far as sewar agrees with the definition."""

import math
from itertools import product

import numpy as np
import pytest
from skimage.color import rgb2ycbcr

from jpegfilter.metrics import blocking_effect, psnr, psnr_b, psnr_b_luma


def effect_by_definition(plane):
    """Yim and Bovik, section III: every neighbor visited, each sorted into one of two bags."""
    height, width = plane.shape
    at_boundaries, elsewhere = [], []
    for row, column in product(range(height), range(width)):
        for next_row, next_column in ((row, column + 1), (row + 1, column)):
            if next_row < height and next_column < width:
                crosses = row // 8 != next_row // 8 or column // 8 != next_column // 8
                step = float(plane[row, column]) - float(plane[next_row, next_column])
                (at_boundaries if crosses else elsewhere).append(step**2)
    excess = sum(at_boundaries) / len(at_boundaries) - sum(elsewhere) / len(elsewhere)
    return max(excess, 0) * math.log2(8) / math.log2(min(height, width))


def decibels(error):
    return 10 * math.log10(255**2 / error)


def error(restored, reference):
    return float(np.mean((restored.astype(float) - reference) ** 2))


def test_effect_follows_the_definition(gray_jpeg):
    expected = effect_by_definition(gray_jpeg)
    assert expected > 10
    assert blocking_effect(gray_jpeg) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", [(9, 9), (8, 24), (17, 12), (3, 20)])
def test_effect_follows_the_definition_on_odd_shapes(shape):
    plane = np.kron(np.random.default_rng(1).integers(0, 256, (3, 3)), np.ones((8, 8)))[: shape[0], : shape[1]]
    expected = effect_by_definition(plane)
    assert expected > 0
    assert blocking_effect(plane) == pytest.approx(expected, rel=1e-12)


def test_effect_agrees_with_sewar_on_flat_blocks():
    # sewar follows the letter of the paper, which counts H (W / 8) - 1 and W (H / 8) - 1 neighbors across boundaries,
    # more than there are. On flat blocks all other differences are 0, and that count is the only thing apart.
    full_ref = pytest.importorskip("sewar.full_ref", reason="sewar is missing: PSNR-B is NOT compared with a library")
    height, width = 32, 48
    blocks = np.random.default_rng(2).integers(0, 256, (height // 8, width // 8), np.uint8)
    plane = np.kron(blocks, np.ones((8, 8), np.uint8))
    theirs = 255**2 / 10 ** (full_ref.psnrb(plane, plane) / 10)
    their_count = height * (width // 8) - 1 + width * (height // 8) - 1
    count = height * (width // 8 - 1) + width * (height // 8 - 1)
    assert blocking_effect(plane) == pytest.approx(theirs * their_count / count, rel=1e-12)


def test_effect_vanishes_off_the_grid(gray_jpeg):
    aligned, shifted = blocking_effect(gray_jpeg[8:56, 8:80]), blocking_effect(gray_jpeg[4:52, 4:76])
    assert aligned > 10
    assert shifted == 0


def test_effect_is_never_negative():
    inside = np.zeros((16, 16))
    inside[4, 4] = 200
    assert blocking_effect(inside) == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 20), (20, 1), (5, 7), (8, 8)])
def test_small_planes_have_no_effect(shape):
    picture = np.random.default_rng(3).integers(0, 256, shape)
    assert blocking_effect(picture) == 0
    reference = picture + 5.0
    assert psnr_b(picture, reference) == psnr_b_luma(picture, reference) == psnr(picture, reference)


def test_effect_refuses_what_is_no_plane(photo):
    with pytest.raises(ValueError, match=r"\(67, 90, 3\)"):
        blocking_effect(photo)


def test_psnr_b_averages_the_decibels_of_channels(photo, jpeg):
    planes = [(jpeg[..., c], photo[..., c]) for c in range(3)]
    expected = [decibels(error(plane, truth) + effect_by_definition(plane)) for plane, truth in planes]
    assert psnr_b(jpeg, photo) == pytest.approx(sum(expected) / 3, abs=1e-10)


def test_psnr_b_luma_takes_the_effect_of_rounded_studio_luma(photo, jpeg):
    luma = np.round(rgb2ycbcr(jpeg)[..., 0])
    expected = decibels(error(jpeg, photo) + effect_by_definition(luma))
    assert psnr_b_luma(jpeg, photo) == pytest.approx(expected, abs=1e-10)


def test_both_conventions_meet_on_gray(gray_photo, gray_jpeg):
    expected = decibels(error(gray_jpeg, gray_photo) + effect_by_definition(gray_jpeg))
    assert psnr_b(gray_jpeg, gray_photo) == pytest.approx(expected, abs=1e-10)
    assert psnr_b_luma(gray_jpeg, gray_photo) == pytest.approx(expected, abs=1e-10)


def test_luma_needs_gray_or_rgb():
    picture = np.zeros((16, 16, 4))
    with pytest.raises(ValueError, match=r"\(16, 16, 4\)"):
        psnr_b_luma(picture, picture)


def test_blocking_costs_and_only_in_the_restored_picture(photo, jpeg):
    assert psnr_b(jpeg, photo) < psnr(jpeg, photo) - 1
    assert psnr_b(jpeg, photo) < psnr_b(photo, jpeg) - 1
