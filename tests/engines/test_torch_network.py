"""A shipped network in torch: the function that ONNX Runtime computes."""

import numpy as np
import pytest
from skimage import data

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from jpegfilter import weights  # noqa: E402
from jpegfilter.engines import devices_of_torch, torch_network  # noqa: E402
from jpegfilter.engines.network import EngineOptions, open_network  # noqa: E402
from jpegfilter.engines.torch_network import TorchNetwork  # noqa: E402
from jpegfilter.errors import DeviceError, UsageError, WeightsError  # noqa: E402
from jpegfilter.jpeg import color, tables  # noqa: E402

TOLD = (tables.ijg_table(tables.LUMA, 20), tables.ijg_table(tables.CHROMA, 20))
FITTED = ("default", "best", "fast")


@pytest.fixture(scope="module")
def planes():
    return color.ycbcr_from_rgb(color.from_pixels(data.astronaut()[:64, 180:276]))


@pytest.mark.parametrize("name", FITTED)
def test_torch_computes_what_onnx_runtime_computes(name, planes, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    card = weights.find(name)
    expected = open_network(EngineOptions(name, "cpu", 1)).restore(planes, TOLD)
    engine = TorchNetwork(card, torch_network.network(card), count=card.views)
    restored = engine.restore(planes, TOLD)
    assert np.abs(expected - planes).mean() > 0.5
    assert np.abs(restored - expected).max() < 1e-3  # float32 sums in another order
    assert (engine.halo, engine.multiple) == (card.halo, card.multiple)
    np.testing.assert_array_equal(engine.doubt.deviation.reshape(-1), np.array(card.doubt, np.float32))
    assert engine.doubt.caught == card.caught


def test_sixteen_bits_change_little(planes):
    card = weights.find("fast")
    expected = open_network(EngineOptions("fast", "cpu", 1)).restore(planes, TOLD)
    restored = TorchNetwork(card, torch_network.network(card), count=1).restore(planes, TOLD)
    assert np.abs(restored - expected).mean() < 0.05 * np.abs(expected - planes).mean()


def test_gray_is_color_without_chroma(planes):
    card = weights.find("fast")
    engine = TorchNetwork(card, torch_network.network(card), count=1)
    gray = planes * np.array([1, 0, 0], np.float32)[:, None, None]
    restored = engine.restore(gray[:1], TOLD)
    assert restored.shape == gray[:1].shape
    assert np.array_equal(restored, engine.restore(gray, TOLD)[:1])


def test_networks_of_another_kind_are_refused():
    with pytest.raises(UsageError, match="fast-arcnn"):
        torch_network.network(weights.find("fast-arcnn"))


def test_parameters_that_are_not_the_networks_are_an_error(monkeypatch):
    content = weights.onnx_bytes(weights.find("fast-arcnn"))
    monkeypatch.setattr(weights, "onnx_bytes", lambda _: content)
    with pytest.raises(WeightsError, match="fast"):
        torch_network.network(weights.find("fast"))


def test_device_that_does_not_work_is_an_error():
    assert devices_of_torch.device("cpu", None) == torch.device("cpu")
    for name in ("directml", "cuda:77"):
        with pytest.raises(DeviceError, match="cpu"):
            devices_of_torch.device(name, None)
