"""Sampling geometry: the mean of a cell, its pseudo-inverse, and interpolation between the cells' centres."""

import numpy as np
import pytest

from jpegfilter.jpeg import sampling

EVERY = pytest.mark.parametrize(("down", "across"), sampling.FACTORS.values(), ids=sampling.FACTORS)
UPSAMPLED = pytest.mark.parametrize("factors", [(d, a) for d in (1, 2, 4) for a in (1, 2, 4)], ids=str)


@pytest.fixture
def small():
    """Eighths of a step: means of up to eight of them are exact in float32."""
    return np.random.default_rng(3).integers(-1024, 1024, (6, 5)).astype(np.float32) / 8


@pytest.fixture
def plane():
    return np.random.default_rng(4).integers(-128, 128, (24, 16)).astype(np.float32)


@EVERY
def test_mean_of_repeated_samples_is_the_samples(small, down, across):
    repeated = sampling.replicate(small, down=down, across=across)
    assert repeated.shape == (6 * down, 5 * across)
    assert np.array_equal(sampling.average(repeated, down=down, across=across), small)


@EVERY
def test_mean_is_the_definition(plane, down, across):
    cells = plane.reshape(24 // down, down, 16 // across, across)
    kept = plane.copy()
    assert np.array_equal(sampling.average(plane, down=down, across=across), cells.mean(axis=(1, 3)))
    assert np.array_equal(plane, kept)


@EVERY
def test_repetition_is_the_pseudo_inverse_of_the_mean(down, across):
    size = 8 * 4
    pictures = np.eye(size).reshape(size, 8, 4)
    mean = np.stack([sampling.average(p, down=down, across=across).ravel() for p in pictures], 1)
    cells = np.eye(len(mean)).reshape(len(mean), 8 // down, 4 // across)
    repeat = np.stack([sampling.replicate(c, down=down, across=across).ravel() for c in cells], 1)
    np.testing.assert_allclose(repeat, np.linalg.pinv(mean), rtol=0, atol=1e-14)


@UPSAMPLED
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (6, 1), (6, 5)], ids=str)
def test_interpolation_equals_torch(factors, shape):
    torch = pytest.importorskip("torch")
    down, across = factors
    samples = np.random.default_rng(5).uniform(-128, 128, shape).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(samples)[None, None], scale_factor=(down, across), mode="bilinear", align_corners=False
    )[0, 0]
    result = sampling.upsample(samples, down=down, across=across)
    assert result.dtype == np.float32
    # A convex combination of four samples: three roundings each of what is at most 128, on either side.
    np.testing.assert_allclose(result, expected.numpy(), rtol=0, atol=2 * 3 * 128 * 2.0**-24)


@EVERY
def test_interpolation_holds_flat_pictures(down, across):
    flat = np.full((4, 3), 77.0, np.float32)
    assert (sampling.upsample(flat, down=down, across=across) == 77).all()


@EVERY
def test_interpolation_follows_a_ramp_between_the_outermost_centres(down, across):
    # Centres of cells stand at (i + 1/2) factor - 1/2 of the fine grid (T.871, 6.2).
    rows, columns = (np.arange(5) + 0.5) * down - 0.5, (np.arange(4) + 0.5) * across - 0.5
    fine = sampling.upsample(np.add.outer(rows, 3 * columns), down=down, across=across)
    y = np.clip(np.arange(5 * down), rows[0], rows[-1])
    x = np.clip(np.arange(4 * across), columns[0], columns[-1])
    np.testing.assert_allclose(fine, np.add.outer(y, 3 * x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("target", [(6, 5), (4, 3), (9, 5), (6, 11), (3, 9), (12, 12)], ids=str)
def test_edges_are_cut_or_held(small, target):
    rows, columns = (np.minimum(np.arange(n), limit - 1) for n, limit in zip(target, small.shape, strict=True))
    assert np.array_equal(sampling.hold_edges(small, *target), small[np.ix_(rows, columns)])


def test_names_are_the_usual_ones():
    assert all(sampling.name(*factors) == label for label, factors in sampling.FACTORS.items())
    assert sampling.name(3, 1) == "3x1"
