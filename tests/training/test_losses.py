"""The error that training lowers, by its definition."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from jpegfilter.jpeg import color  # noqa: E402
from jpegfilter.training import losses  # noqa: E402


@pytest.fixture
def rgb():
    return torch.from_numpy(np.random.default_rng(3).integers(0, 256, (2, 3, 8, 10), np.uint8))


def test_clean_planes_are_the_pipelines(rgb):
    planes = losses.clean_planes(rgb)
    assert planes.dtype == torch.float32
    for one, pixels in zip(planes.numpy(), rgb.numpy(), strict=True):
        expected = color.ycbcr_from_rgb(pixels.astype(np.float64) - color.CENTRE)
        # Sums of three products below 256 in float32, and constants of nine digits against a shift of 128.
        np.testing.assert_allclose(one, expected, rtol=0, atol=6 * 256 * 2.0**-24 + 3e-7)


def test_perfect_restoration_has_no_error(rgb):
    clean = losses.clean_planes(rgb)
    assert losses.rgb_error(clean, clean).tolist() == [0, 0]


def test_error_is_the_mean_square_of_rgb(rgb):
    other = rgb.flip(0)
    error = losses.rgb_error(losses.clean_planes(other), losses.clean_planes(rgb))
    expected = ((other.double() - rgb.double()) / 255).square().mean((1, 2, 3))
    assert error.shape == (2,)
    assert error.double().tolist() == pytest.approx(expected.tolist(), rel=1e-5)


def test_a_step_of_luma_is_a_step_of_each_color(rgb):
    clean = losses.clean_planes(rgb)
    brighter = clean + torch.tensor([1.0, 0, 0])[:, None, None]
    assert losses.rgb_error(brighter, clean).tolist() == pytest.approx([1 / 255**2] * 2, rel=1e-4)
