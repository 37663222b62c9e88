"""What QGAC normalizes by: mean and deviation of the coefficients that a recipe's batches hold."""

import numpy as np
import pytest
from skimage import data as pictures

torch = pytest.importorskip("torch")

from jpegfilter.compression import libjpeg  # noqa: E402
from jpegfilter.jpeg import dct  # noqa: E402
from jpegfilter.training import data, degradation, statistics  # noqa: E402
from jpegfilter.training.data import Photos  # noqa: E402

CPU = torch.device("cpu")
BATCHES = 5
LEAST = 0.5
"""What no deviation falls below, in 8-bit steps."""
NEAR = 64 * 2.0**-24 * 1024
"""Sums of 64 products of float32 up to 1024."""


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(statistics, "BATCHES", BATCHES)


@pytest.fixture(scope="module")
def photos():
    whole = pictures.coffee()
    crops = [whole[100:148, 180:240], whole[200:240, 300:340], whole[60:100, 400:464]]
    return Photos(tuple(torch.from_numpy(np.ascontiguousarray(c)) for c in crops), np.array([0.5, 0.25, 0.25]), "")


def blocks(planes):
    """Coefficients `(blocks, 64)` of planes `(N, H, W)`."""
    return np.concatenate([dct.forward(plane.astype(np.float64)).reshape(-1, 64) for plane in planes])


def halved(planes):
    """Planes `(N, H, W)` at half their size, by the inverse of linear interpolation that has four taps."""
    for axis in (1, 2):
        padded = np.pad(planes, [(0, 0), *((int(a == axis),) * 2 for a in (1, 2))], mode="edge")
        taps = (np.take(padded, range(tap, tap + planes.shape[axis], 2), axis) for tap in range(4))
        planes = sum(weight * tap for weight, tap in zip((-0.25, 0.75, 0.75, -0.25), taps, strict=True))
    return planes


def drawn(photos, recipe):
    """All that is shown of a recipe's first batches, `(N, 3, H, W)`."""
    batches = [data.draw(photos, recipe, step=step) for step in range(BATCHES)]
    shown = [degradation.degrade(b.rgb, b.last, b.past, patch=recipe.patch).planes.double().numpy() for b in batches]
    return np.concatenate(shown)


def assert_are(found, luma, chroma):
    mean, deviation = found
    assert (mean.dtype, mean.shape, deviation.dtype, deviation.shape) == (torch.float32, (2, 64)) * 2
    for kind, values in enumerate((luma, chroma)):
        np.testing.assert_allclose(mean[kind], values.mean(0), rtol=0, atol=NEAR)
        np.testing.assert_allclose(deviation[kind], np.maximum(values.std(0), LEAST), rtol=0, atol=NEAR)


@pytest.mark.parametrize("past", ["none", "pixels", "twice", "resized"])
def test_statistics_are_numpys_of_what_is_drawn(photos, recipe, past):
    made = recipe(pasts={past: 1.0})
    planes = drawn(photos, made)
    found = statistics.statistics(photos, made, device=CPU)
    assert_are(found, blocks(planes[:, 0]), blocks(halved(planes[:, 1:].reshape(-1, *planes.shape[2:]))))
    assert (found[1] > LEAST).float().mean() > 0.5


def test_statistics_of_halved_chroma_are_those_of_the_files_coefficients(photos, recipe):
    made = recipe(samplings={"4:2:0": 1.0})
    luma, chroma = [], []
    for step in range(BATCHES):
        batch = data.draw(photos, made, step=step)
        file = libjpeg.compress(batch.rgb, batch.last.luma, batch.last.chroma, sampling="4:2:0").coefficients
        for kind, table, found in zip(
            (luma, chroma, chroma), (batch.last.luma, batch.last.chroma, batch.last.chroma), file, strict=True
        ):
            kind.append((found * table[:, :, None, None]).double().permute(0, 2, 3, 1).reshape(-1, 64).numpy())
    assert_are(statistics.statistics(photos, made, device=CPU), np.concatenate(luma), np.concatenate(chroma))


def test_what_is_always_nothing_can_be_divided_by(photos, recipe):
    mean, deviation = statistics.statistics(photos, recipe(samplings={"gray": 1.0}), device=CPU)
    assert not mean[1].any()
    assert (deviation[1] == LEAST).all()
    assert (deviation[0] > LEAST).any()


def test_statistics_are_the_same_for_the_same_recipe(photos, recipe):
    one, other = (statistics.statistics(photos, recipe(), device=CPU) for _ in range(2))
    assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))
