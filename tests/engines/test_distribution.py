"""Distributions of values: masses, their gradients, and the divergence between two."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
scipy_stats = pytest.importorskip("scipy.stats")

from jpegfilter.engines import distribution  # noqa: E402

SEED = torch.Generator().manual_seed(5)
VALUES = torch.rand(3, 500, generator=SEED, dtype=torch.float64)


def test_masses_sum_to_1():
    assert torch.allclose(distribution.histogram(VALUES).sum(1), torch.ones(3, dtype=torch.float64))
    assert torch.allclose(distribution.normal(VALUES).sum(1), torch.ones(3, dtype=torch.float64))


def test_levels_are_counted_as_numpy_counts_them():
    levels = np.random.default_rng(2).integers(0, 256, (2, 1000))
    found = distribution.histogram(torch.from_numpy(levels / 255))
    expected = np.stack([np.bincount(row, minlength=256) / 1000 for row in levels])
    assert np.abs(found.numpy() - expected).max() < 1e-9


def test_a_value_between_two_levels_counts_for_both_and_one_beyond_the_end_for_the_last():
    found = distribution.histogram(torch.tensor([[100.25 / 255], [2.0], [-1.0]], dtype=torch.float64))
    assert found[0, 100].item() == pytest.approx(0.75)
    assert found[0, 101].item() == pytest.approx(0.25)
    assert found[1, 255] == 1
    assert found[2, 0] == 1


def test_mean_is_kept_and_so_has_a_gradient():
    """The mean of the masses is that of the values: each value moves it by its share."""
    values = VALUES.clone().requires_grad_()
    levels = torch.arange(256, dtype=torch.float64) / 255
    means = (distribution.histogram(values) * levels).sum(1)
    assert torch.allclose(means, values.mean(1))
    (gradient,) = torch.autograd.grad(means.sum(), values)
    assert torch.allclose(gradient, torch.full_like(values, 1 / 500))


def test_divergence_is_scipys():
    one, other = distribution.histogram(VALUES), distribution.normal(VALUES)
    expected = [scipy_stats.entropy(p + 1e-10, q + 1e-10) for p, q in zip(one.numpy(), other.numpy(), strict=True)]
    # scipy normalizes what has become 1 + 256e-10.
    assert np.allclose(distribution.divergence(one, other).numpy(), expected, rtol=0, atol=1e-6)
    assert distribution.divergence(one, one).abs().max() < 1e-12


def test_a_flat_channel_has_a_distribution():
    found = distribution.normal(torch.full((1, 50), 0.5, dtype=torch.float64))
    assert torch.isfinite(found).all()
    assert found[0].topk(2).indices.sort().values.tolist() == [127, 128]


def test_regions_hold_every_value_of_their_part():
    picture = torch.arange(3 * 4 * 6).reshape(3, 4, 6)
    found = distribution.regions(picture, 2)
    assert found.shape == (12, 6)
    assert found[0].tolist() == picture[0, :2, :3].flatten().tolist()
    assert found[1].tolist() == picture[1, :2, :3].flatten().tolist()
    assert found[3].tolist() == picture[0, :2, 3:].flatten().tolist()
    assert torch.equal(distribution.regions(picture, 1), picture.flatten(1))
