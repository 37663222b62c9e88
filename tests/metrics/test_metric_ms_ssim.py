"""MS-SSIM against piqa.

piqa agrees in the constants, the valid windows, the mean over channels after the product, and 0 for a negative mean. Two
things are set here: its value range (1.0 unless told) and its window (made in float32, which alone would cost six
digits). One is apart: where a side is odd it averages the last row or column by itself and keeps it, and this room
leaves it out; there the scales are put together from piqa's SSIM of one scale.
"""

import importlib
import importlib.util
import math
import sys
from types import ModuleType

import numpy as np
import pytest

from jpegfilter.metrics import ms_ssim

torch = pytest.importorskip("torch", reason="torch is missing: MS-SSIM is NOT compared with an independent library")


@pytest.fixture(scope="module")
def piqa_ssim():
    """piqa's module `ssim` without piqa's `__init__`, whose other metrics want torchvision."""
    found = importlib.util.find_spec("piqa")
    if found is None:
        pytest.skip("piqa is missing: MS-SSIM is NOT compared with an independent library")
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "piqa"}
    package = ModuleType("piqa")
    package.__path__ = list(found.submodule_search_locations)
    sys.modules["piqa"] = package
    yield importlib.import_module("piqa.ssim")
    for name in [name for name in sys.modules if name.partition(".")[0] == "piqa"]:
        del sys.modules[name]
    sys.modules.update(before)


def batch(picture):
    return torch.from_numpy(np.moveaxis(picture.astype(np.float64), 2, 0).copy())[None]


def window(channels):
    weights = np.exp(-((np.arange(11) - 5) ** 2) / 4.5)
    return torch.from_numpy(weights / weights.sum()).repeat(channels, 1, 1)


def exponents(piqa_ssim):
    # 0.0448 and so on, freed of float32's tail.
    return piqa_ssim.MS_SSIM.WEIGHTS.double().round(decimals=4)


def test_agrees_with_piqa(piqa_ssim, large_photo, large_jpeg):
    pictures = batch(large_jpeg), batch(large_photo)
    expected = piqa_ssim.ms_ssim(*pictures, kernel=window(3), weights=exponents(piqa_ssim), value_range=255.0)
    assert ms_ssim(large_jpeg, large_photo) == pytest.approx(expected.item(), abs=1e-12)


def test_agrees_with_piqa_scale_by_scale_where_sides_are_odd(piqa_ssim, large_photo, large_jpeg):
    rows, columns = np.arange(179) % 176, np.arange(205) % 192
    pictures = [p[rows][:, columns] for p in (large_jpeg, large_photo)]
    x, y = map(batch, pictures)
    expected = torch.ones(1, 3, dtype=torch.float64)
    for scale, weight in enumerate(exponents(piqa_ssim)):
        whole, contrast = piqa_ssim.ssim(x, y, kernel=window(3), channel_avg=False, value_range=255.0)
        expected *= (whole if scale == 4 else contrast) ** weight
        x, y = (torch.nn.functional.avg_pool2d(z, 2) for z in (x, y))
    assert ms_ssim(*pictures) == pytest.approx(expected.mean().item(), abs=1e-12)


def test_gray_is_a_picture_of_one_channel(large_photo, large_jpeg):
    channels = [ms_ssim(large_jpeg[..., c], large_photo[..., c]) for c in range(3)]
    assert ms_ssim(large_jpeg, large_photo) == pytest.approx(sum(channels) / 3, abs=1e-14)


def test_negative_scores_nothing(large_photo):
    assert ms_ssim(255 - large_photo, large_photo) == 0


def test_pictures_below_176_samples_have_no_score():
    assert math.isnan(ms_ssim(np.ones((175, 200)), np.ones((175, 200))))
    assert math.isnan(ms_ssim(np.ones((200, 175, 3)), np.ones((200, 175, 3))))
    assert ms_ssim(np.ones((176, 176)), np.ones((176, 176))) == 1
