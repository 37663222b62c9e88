"""The error that training lowers, by its definition."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from jpegfilter.jpeg import color  # noqa: E402
from jpegfilter.training import losses  # noqa: E402
from jpegfilter.training.recipe import LOSSES  # noqa: E402


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


FLOOR = 1e-5
"""Mean square that the root adds: 50 dB."""
PLAIN = {
    "mse": lambda error: np.mean(error**2),
    "l1": lambda error: np.mean(np.abs(error)),
    "root": lambda error: np.mean([np.sqrt(np.mean(one**2) + FLOOR) for one in error]),
}
"""What each loss makes of differences of RGB in [0, 1]."""


def test_every_loss_has_a_formula():
    assert set(PLAIN) == set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_losses_are_their_formulas(rgb, name, dtype):
    other = torch.stack((rgb[0], 255 - rgb[1]))  # one patch perfect, the other not
    restored = losses.clean_planes(other).to(dtype)
    matrix = np.array(color.RGB_FROM_YCBCR)
    error = np.einsum("oc,nchw->nohw", matrix, (restored.float() - losses.clean_planes(rgb)).double().numpy()) / 255
    result = losses.loss(name, restored, losses.clean_planes(rgb))
    assert (result.shape, result.dtype) == ((), torch.float32)
    assert result.item() == pytest.approx(PLAIN[name](error), rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_is_finite_where_nothing_is_wrong(rgb, name):
    clean = losses.clean_planes(rgb)
    restored = clean.clone().requires_grad_()
    losses.loss(name, restored, clean).backward()
    assert restored.grad.isfinite().all()
    assert not restored.grad.any()


def gradients(name, restored, clean):
    """The norm of the gradient of each patch of a batch."""
    restored = restored.clone().requires_grad_()
    losses.loss(name, restored, clean).backward()
    return restored.grad.flatten(1).norm(dim=1).tolist()


def test_root_listens_to_patches_whatever_their_error_and_the_mean_square_to_the_worst(rgb):
    """An error ten times as large pulls ten times as much, or as much."""
    clean = losses.clean_planes(rgb[:1]).repeat(2, 1, 1, 1)
    error = torch.randn(clean.shape[1:], generator=torch.Generator().manual_seed(1))
    restored = clean + torch.stack((10 * error, 100 * error))
    small, large = gradients("mse", restored, clean)
    assert large / small == pytest.approx(10, rel=1e-3)
    small, large = gradients("root", restored, clean)
    assert large / small == pytest.approx(1, rel=0.01)


def test_root_of_a_patch_below_the_floor_pulls_less(rgb):
    """Flat patches, restored almost perfectly, do not outweigh the others."""
    clean = losses.clean_planes(rgb[:1]).repeat(2, 1, 1, 1)
    error = torch.randn(clean.shape[1:], generator=torch.Generator().manual_seed(1))
    small, large = gradients("root", clean + torch.stack((0.01 * error, 10 * error)), clean)
    assert small < 0.05 * large
