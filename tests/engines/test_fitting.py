"""Fitting a network to one picture: repeatable, bounded, and to the good of a picture it has never seen."""

import copy

import numpy as np
import pytest
from skimage import data

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from jpegfilter import weights  # noqa: E402
from jpegfilter.compression.libjpeg import Step  # noqa: E402
from jpegfilter.engines import fitting, torch_network  # noqa: E402
from jpegfilter.engines.effort import Effort  # noqa: E402
from jpegfilter.engines.torch_network import TorchNetwork  # noqa: E402
from jpegfilter.errors import UsageError  # noqa: E402
from jpegfilter.jpeg import color, tables  # noqa: E402

TOLD = (tables.ijg_table(tables.LUMA, 10), tables.ijg_table(tables.CHROMA, 10))
CARD = weights.find("fast")


@pytest.fixture(scope="module")
def network():
    return torch_network.network(CARD)


@pytest.fixture(scope="module")
def clean():
    """A photo's smooth part, 8-bit `(128, 192, 3)`."""
    return np.ascontiguousarray(data.coffee()[60:188, 200:392])


@pytest.fixture(scope="module")
def planes(clean):
    """What a decoder makes of the photo at quality 10."""
    steps = [torch.from_numpy(table.astype(np.int64).reshape(1, 64)) for table in TOLD]
    return Step(*steps, "4:2:0")(torch.from_numpy(clean).permute(2, 0, 1)[None])[0].numpy()


def guess_of(restored):
    return np.clip(color.rgb_from_ycbcr(restored) + 128, 0, 255)


def fitted(network, guesses, effort, note=lambda _: True):
    twin = copy.deepcopy(network)
    return twin, fitting.fit(twin, guesses, TOLD, sampling="4:2:0", effort=effort, note=note)


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_fit_gains_on_the_picture(network, planes, clean):
    """Against the truth, which it is never shown; with as little as can be measured."""
    start = TorchNetwork(CARD, network, count=1).restore(planes, TOLD)
    twin, steps = fitted(network, [guess_of(start)], Effort(steps=40))
    assert steps == 40
    errors = [
        np.square(guess_of(restored) - np.moveaxis(clean, 2, 0)).mean()
        for restored in (start, TorchNetwork(CARD, twin, count=1).restore(planes, TOLD))
    ]
    assert 10 * np.log10(errors[0] / errors[1]) > 0.02


def test_same_seed_gives_the_same_network_and_another_another(network, planes):
    guesses = [guess_of(planes)]
    (one, _), (again, _), (other, _) = (fitted(network, guesses, Effort(steps=2, seed=seed)) for seed in (1, 1, 2))
    assert same(one, again)
    assert not same(one, other)
    assert not same(one, network)


def test_fit_ends_when_told(network, planes):
    said = []

    def note(share):
        said.append(share)
        return len(said) < 3

    _, steps = fitted(network, [guess_of(planes)], Effort(steps=10), note)
    assert steps == 2
    assert said == [0, 0.1, 0.2]


def test_fit_ends_when_its_time_is_up(network, planes):
    _, steps = fitted(network, [guess_of(planes)], Effort(steps=10**6, seconds=0.5))
    assert 0 < steps < 1000


@pytest.mark.parametrize("size", [(33, 40), (96, 31), (1, 1), (32, 200)], ids=str)
def test_small_pictures_are_fitted_to_or_left(network, size):
    guess = np.full((3, *size), 90, np.float32)
    twin, steps = fitted(network, [guess], Effort(steps=1))
    assert steps == (min(size) >= 32)
    assert same(twin, network) == (steps == 0)
    assert all(parameter.isfinite().all() for parameter in twin.parameters())


@pytest.mark.parametrize("sampling", ["4:2:0", "4:4:4", "4:2:2", "4:1:1", "gray"])
def test_every_subsampling_is_fitted_to(network, planes, sampling):
    twin = copy.deepcopy(network)
    effort = Effort(steps=1)
    assert fitting.fit(twin, [guess_of(planes)], TOLD, sampling=sampling, effort=effort, note=lambda _: True) == 1
    assert not same(twin, network)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"seconds": 0}, {"seconds": float("nan")}, {"views": 9}], ids=str)
def test_efforts_of_no_use_are_refused(wrong):
    with pytest.raises(UsageError):
        Effort(**wrong)


def test_a_fit_that_learnt_nothing_leaves_the_network_as_it_was(network, planes, monkeypatch):
    """Steps a thousand times too long: the network forgets what it knew."""
    monkeypatch.setattr(fitting, "RATE", 0.03)
    twin, steps = fitted(network, [guess_of(planes)], Effort(steps=12))
    assert steps == 0
    assert same(twin, network)
