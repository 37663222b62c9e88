"""The error that training lowers, by its definition."""

import numpy as np
import pytest
from skimage import data
from skimage.metrics import structural_similarity

torch = pytest.importorskip("torch")

from jpegfilter.compression.planes import clean_planes  # noqa: E402
from jpegfilter.jpeg import color  # noqa: E402
from jpegfilter.training import losses  # noqa: E402
from jpegfilter.training.recipe import LOSSES  # noqa: E402


@pytest.fixture
def rgb():
    return torch.from_numpy(np.random.default_rng(3).integers(0, 256, (2, 3, 8, 10), np.uint8))


def test_clean_planes_are_the_pipelines(rgb):
    planes = clean_planes(rgb)
    assert planes.dtype == torch.float32
    for one, pixels in zip(planes.numpy(), rgb.numpy(), strict=True):
        expected = color.ycbcr_from_rgb(pixels.astype(np.float64) - color.CENTRE)
        # Sums of three products below 256 in float32, and constants of nine digits against a shift of 128.
        np.testing.assert_allclose(one, expected, rtol=0, atol=6 * 256 * 2.0**-24 + 3e-7)


def test_perfect_restoration_has_no_error(rgb):
    clean = clean_planes(rgb)
    assert losses.rgb_error(clean, clean).tolist() == [0, 0]


def test_error_is_the_mean_square_of_rgb(rgb):
    other = rgb.flip(0)
    error = losses.rgb_error(clean_planes(other), clean_planes(rgb))
    expected = ((other.double() - rgb.double()) / 255).square().mean((1, 2, 3))
    assert error.shape == (2,)
    assert error.double().tolist() == pytest.approx(expected.tolist(), rel=1e-5)


def test_a_step_of_luma_is_a_step_of_each_color(rgb):
    clean = clean_planes(rgb)
    brighter = clean + torch.tensor([1.0, 0, 0])[:, None, None]
    assert losses.rgb_error(brighter, clean).tolist() == pytest.approx([1 / 255**2] * 2, rel=1e-4)


def similarity(one, other, *, side=8, stride=2):
    """The mean structural similarity of 8-bit planes `(N, C, H, W)` over uniform windows (Wang et al., 2004)."""
    windows = (np.lib.stride_tricks.sliding_window_view(x, (side, side), (2, 3)) for x in (one, other))
    x, y = (window[:, :, ::stride, ::stride].reshape(*window.shape[:2], -1, side * side) for window in windows)
    mean_x, mean_y = x.mean(-1), y.mean(-1)
    covariance = ((x - mean_x[..., None]) * (y - mean_y[..., None])).mean(-1)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return (luminance * (2 * covariance + c2) / (x.var(-1) + y.var(-1) + c2)).mean()


FLOOR = 1e-5
"""Mean square that the root adds: 50 dB."""
PLAIN = {
    "mse": lambda one, other: np.mean((one - other) ** 2),
    "l1": lambda one, other: np.mean(np.abs(one - other)),
    "root": lambda one, other: np.mean(np.sqrt(np.mean((one - other) ** 2, (1, 2, 3)) + FLOOR)),
    "l1-ssim": lambda one, other: np.mean(np.abs(one - other)) - 0.05 * similarity(255 * one, 255 * other),
}
"""What each loss makes of two batches of RGB in [0, 1]."""


def in_rgb(planes):
    """RGB in [0, 1] of level-shifted planes, by the definition."""
    return (np.einsum("oc,nchw->nohw", np.array(color.RGB_FROM_YCBCR), planes.double().numpy()) + 128) / 255


def test_every_loss_has_a_formula():
    assert set(PLAIN) == set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_losses_are_their_formulas(rgb, name, dtype):
    other = torch.stack((rgb[0], 255 - rgb[1]))  # one patch perfect, the other not
    restored = clean_planes(other).to(dtype)
    clean = clean_planes(rgb)
    result = losses.loss(name, restored, clean)
    assert (result.shape, result.dtype) == ((), torch.float32)
    assert result.item() == pytest.approx(PLAIN[name](in_rgb(restored), in_rgb(clean)), rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("chroma", [True, False], ids=["color", "gray planes"])
def test_part_luma_is_the_loss_of_gray_pictures(rgb, name, chroma):
    """Whatever the chroma is, or where there is none."""
    restored, clean = clean_planes(255 - rgb), clean_planes(rgb)
    gray = torch.tensor([1.0, 0, 0])[:, None, None]
    expected = losses.loss(name, gray * restored, gray * clean).item()
    if not chroma:
        restored, clean = restored[:, :1], clean[:, :1]
    assert losses.loss(name, restored, clean, part="luma").item() == pytest.approx(expected, rel=1e-5)
    assert losses.loss(name, clean, clean, part="luma") < losses.loss(name, restored, clean, part="luma")


@pytest.mark.parametrize("part", ["all", "color"])
@pytest.mark.parametrize("name", LOSSES)
def test_other_parts_look_at_color(rgb, name, part):
    restored, clean = clean_planes(255 - rgb), clean_planes(rgb)
    assert torch.equal(losses.loss(name, restored, clean, part=part), losses.loss(name, restored, clean))


@pytest.fixture
def photos():
    """Luma of two 40 by 56 crops of a photograph, level-shifted: the first all but flat, the second of many edges."""
    luma = clean_planes(torch.from_numpy(np.ascontiguousarray(data.astronaut())).permute(2, 0, 1)[None])[:, :1]
    return torch.cat([luma[..., top : top + 40, left : left + 56] for top, left in ((0, 0), (60, 200))])


def spoiled(photos, by):
    return photos + by * torch.randn(photos.shape, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("by", [0.1, 3, 40])
@pytest.mark.parametrize("level", [0, -100, 120])
def test_similarity_is_its_definition(photos, by, level):
    """At every brightness and of every size of the error."""
    one, other = spoiled(photos, by) / 4 + level, photos / 4 + level
    expected = similarity(*(planes.double().numpy() + 128 for planes in (one, other)))
    # A variance is a difference of float32 numbers whose square root is the contrast, below 40 here, and is divided by
    # more than c2 = 58: some of 40^2 / 58 roundings, and some dozens of every mean.
    assert losses.similarity(one, other).item() == pytest.approx(expected, abs=100 * 2.0**-24 * 40**2 / 58)


def test_definition_is_scikit_images(photos):
    """Which has windows of odd sides alone, at every sample."""
    one, other = (planes.double().numpy() + 128 for planes in (spoiled(photos, 10), photos))
    settings = {"win_size": 7, "data_range": 255, "use_sample_covariance": False}
    theirs = [structural_similarity(*pair, **settings) for pair in zip(one[:, 0], other[:, 0], strict=True)]
    assert similarity(one, other, side=7, stride=1) == pytest.approx(np.mean(theirs), abs=1e-9)


def test_similarity_of_the_same_is_one_and_of_the_opposite_negative(photos):
    flat = torch.full((1, 2, 16, 16), -128.0)
    for planes in (photos, flat):
        assert losses.similarity(planes, planes).item() == pytest.approx(1, abs=1e-6)
    edges = photos[1:]
    assert losses.similarity(edges.mean() - edges, edges) < 0


def test_similarity_falls_with_the_error_and_its_loss_rises(photos):
    values = [losses.similarity(spoiled(photos, by), photos).item() for by in (0, 1, 4, 16, 64)]
    assert values == sorted(values, reverse=True)
    costs = [losses.loss("l1-ssim", spoiled(photos, by), photos).item() for by in (0, 1, 4, 16, 64)]
    assert costs[0] == pytest.approx(-0.05, abs=1e-6)
    assert costs == sorted(costs)


def test_gradient_of_similarity_is_finite_on_flat_planes():
    """Whose variance is 0, or but for rounding."""
    for value in (-128.0, 0.0, 0.1, 127.3):
        restored = torch.full((1, 1, 16, 16), value, requires_grad=True)
        losses.similarity(restored, torch.full((1, 1, 16, 16), -value)).backward()
        assert restored.grad.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_is_finite_where_nothing_is_wrong(rgb, name):
    clean = clean_planes(rgb)
    restored = clean.clone().requires_grad_()
    losses.loss(name, restored, clean).backward()
    assert restored.grad.isfinite().all()
    # The gradients of similarity's factors cancel but for rounding, far below the absolute error's, 1 / 255 by sample.
    assert restored.grad.abs().max() <= (100 * 2.0**-24 / 255 / clean.numel() if name == "l1-ssim" else 0)


def gradients(name, restored, clean):
    """The norm of the gradient of each patch of a batch."""
    restored = restored.clone().requires_grad_()
    losses.loss(name, restored, clean).backward()
    return restored.grad.flatten(1).norm(dim=1).tolist()


def test_root_listens_to_patches_whatever_their_error_and_the_mean_square_to_the_worst(rgb):
    """An error ten times as large pulls ten times as much, or as much."""
    clean = clean_planes(rgb[:1]).repeat(2, 1, 1, 1)
    error = torch.randn(clean.shape[1:], generator=torch.Generator().manual_seed(1))
    restored = clean + torch.stack((10 * error, 100 * error))
    small, large = gradients("mse", restored, clean)
    assert large / small == pytest.approx(10, rel=1e-3)
    small, large = gradients("root", restored, clean)
    assert large / small == pytest.approx(1, rel=0.01)


def test_root_of_a_patch_below_the_floor_pulls_less(rgb):
    """Flat patches, restored almost perfectly, do not outweigh the others."""
    clean = clean_planes(rgb[:1]).repeat(2, 1, 1, 1)
    error = torch.randn(clean.shape[1:], generator=torch.Generator().manual_seed(1))
    small, large = gradients("root", clean + torch.stack((0.01 * error, 10 * error)), clean)
    assert small < 0.05 * large
