"""The transform, against its definition in T.81, A.3.3, and against SciPy's."""

import numpy as np
import pytest
from scipy.fft import dctn

from jpegfilter.jpeg import dct

SHAPES = [(8, 8), (8, 24), (40, 16), (56, 72)]


def rounding(plane):
    """Most that 64 products and sums of `plane`'s precision can be off, for one orthonormal row (Cauchy-Schwarz)."""
    norms = np.linalg.norm(plane.reshape(plane.shape[0] // 8, 8, -1, 8).astype(np.float64), axis=(1, 3))
    return 64 * np.finfo(plane.dtype).eps / 2 * norms.max()


@pytest.fixture(params=[np.float32, np.float64])
def dtype(request):
    return request.param


@pytest.fixture(params=SHAPES, ids=str)
def plane(request, dtype):
    return np.random.default_rng(1).uniform(-128, 128, request.param).astype(dtype)


@pytest.mark.parametrize("matrix", [dct.BASIS, dct.KERNEL], ids=["basis", "kernel"])
def test_basis_is_orthonormal(matrix):
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(len(matrix)), rtol=0, atol=64 * np.finfo(np.float64).eps)


def test_forward_is_the_definition():
    block = np.random.default_rng(2).uniform(-128, 128, (8, 8))
    y, x = np.mgrid[:8, :8]
    c = np.where(np.arange(8) == 0, np.sqrt(0.5), 1.0)
    coefficients = dct.forward(block)[0, 0]
    for v in range(8):
        for u in range(8):
            waves = np.cos((2 * x + 1) * u * np.pi / 16) * np.cos((2 * y + 1) * v * np.pi / 16)
            assert coefficients[v, u] == pytest.approx(c[u] * c[v] / 4 * (block * waves).sum(), abs=rounding(block))


def test_forward_equals_scipy(plane, dtype):
    blocks = plane.astype(np.float64).reshape(plane.shape[0] // 8, 8, -1, 8).swapaxes(1, 2)
    coefficients = dct.forward(plane)
    assert coefficients.dtype == dtype
    np.testing.assert_allclose(coefficients, dctn(blocks, axes=(2, 3), norm="ortho"), rtol=0, atol=rounding(plane))


def test_inverse_undoes_forward(plane, dtype):
    restored = dct.inverse(dct.forward(plane))
    assert restored.dtype == dtype
    # Coefficients off by `rounding` each are a block off by 8 times that, and the inverse rounds once more.
    np.testing.assert_allclose(restored, plane, rtol=0, atol=9 * rounding(plane))


def test_energy_is_kept(plane):
    plane = plane.astype(np.float64)
    assert np.square(dct.forward(plane)).sum() == pytest.approx(np.square(plane).sum(), rel=1e-13)


def test_flat_block_is_its_first_coefficient_alone():
    coefficients = dct.forward(np.full((8, 8), 100.0))
    assert coefficients[0, 0, 0, 0] == pytest.approx(800, abs=1e-10)
    assert np.abs(coefficients.ravel()[1:]).max() < 1e-10


def test_columns_of_frequency_run_along_rows_of_samples():
    stripes = np.tile(np.arange(8.0), (8, 1))
    coefficients = dct.forward(stripes)[0, 0]
    assert np.abs(coefficients[1:]).max() < 1e-12
    assert abs(coefficients[0, 1]) > 1


def test_blocks_are_the_planes_squares(plane):
    blocks = dct.to_blocks(plane)
    for row in range(plane.shape[0] // 8):
        for column in range(plane.shape[1] // 8):
            expected = plane[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
            assert np.array_equal(blocks[row, column], expected)


def test_from_blocks_undoes_to_blocks(plane):
    assert np.array_equal(dct.from_blocks(dct.to_blocks(plane)), plane)


@pytest.mark.parametrize("shape", [(8, 12), (9, 8)])
def test_half_blocks_are_refused(shape):
    with pytest.raises(ValueError):
        dct.forward(np.zeros(shape))
