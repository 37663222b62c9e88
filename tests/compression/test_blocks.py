"""Blocks and cells in torch: the transform against the pipeline's, and interpolation undone."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch.nn import functional  # noqa: E402

from jpegfilter.compression.blocks import coefficients, samples, undone  # noqa: E402
from jpegfilter.jpeg import dct, sampling  # noqa: E402

EXACT = 1e-9
"""Double precision: 64 products of numbers below 1024."""
SHAPES = pytest.mark.parametrize("shape", [(1, 1), (1, 7), (6, 1), (2, 2), (6, 5)], ids=str)
FACTORS = pytest.mark.parametrize("factors", sorted(sampling.FACTORS.values()), ids=str)


def noise(*shape, dtype=torch.float32):
    return 40 * torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64).to(dtype)


def whole(*shape):
    """Whole numbers, of which means by eighths, and by eighths of those, are exact in float32."""
    return torch.randint(-128, 128, shape, generator=torch.Generator().manual_seed(3)).float()


def test_coefficients_are_the_pipelines():
    planes = noise(3, 1, 16, 40, dtype=torch.float64)
    for plane, found in zip(planes[:, 0], coefficients(planes), strict=True):
        expected = dct.forward(plane.numpy()).reshape(2, 5, 64)
        np.testing.assert_allclose(found.permute(1, 2, 0), expected, rtol=0, atol=EXACT)


def test_samples_undo_coefficients():
    planes = noise(3, 1, 16, 40, dtype=torch.float64)
    torch.testing.assert_close(samples(coefficients(planes)), planes, rtol=0, atol=EXACT)


@FACTORS
@SHAPES
def test_interpolation_is_undone(shape, factors):
    """At the edges, too."""
    down, across = factors
    plane = whole(*shape)
    large = torch.from_numpy(sampling.upsample(plane.numpy(), down=down, across=across).copy())[None, None]
    assert torch.equal(undone(large, down=down, across=across)[0, 0], plane)


@SHAPES
def test_interpolation_of_the_degradation_is_undone(shape):
    planes = whole(3, 1, *shape)
    large = functional.interpolate(planes, scale_factor=2, mode="bilinear", align_corners=False)
    assert torch.equal(undone(large, down=2, across=2), planes)


@FACTORS
def test_flat_planes_stay_flat(factors):
    down, across = factors
    assert (undone(torch.full((2, 1, 8, 4), 77.0), down=down, across=across) == 77).all()


def test_nothing_is_computed_in_16_bits():
    def found(planes):
        return coefficients(planes), samples(coefficients(planes)), undone(planes, down=2, across=2)

    planes = noise(2, 1, 16, 24)
    expected = found(planes)
    with torch.autocast("cpu", torch.bfloat16):
        inside = found(planes)
    for one, other in zip(inside, expected, strict=True):
        assert one.dtype == torch.float32
        assert torch.equal(one, other)
