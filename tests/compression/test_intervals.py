"""Intervals in torch: what a file says, of every sampling, and how far a picture is from it."""

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

torch = pytest.importorskip("torch")

from jpegfilter.codec import read  # noqa: E402
from jpegfilter.compression import intervals  # noqa: E402
from jpegfilter.compression.blocks import samples  # noqa: E402
from jpegfilter.compression.libjpeg import compress  # noqa: E402
from jpegfilter.compression.planes import clean_planes  # noqa: E402
from jpegfilter.jpeg import decode, sampling, tables  # noqa: E402
from jpegfilter.jpeg.decode import Region  # noqa: E402

SAMPLINGS = sorted(sampling.FACTORS)
QUALITY = 20


@pytest.fixture(scope="module")
def clean():
    return torch.from_numpy(data.astronaut()[:64, 100:196].copy()).permute(2, 0, 1)[None]


def steps(quality):
    return [torch.from_numpy(tables.ijg_table(base, quality).astype(np.int64)) for base in (tables.LUMA, tables.CHROMA)]


def compressed(clean, name):
    luma, chroma = (table.reshape(1, 64) for table in steps(QUALITY))
    return compress(clean, luma, chroma, sampling=name)


def stated(clean, name):
    shown = compressed(clean, name)
    told = intervals.stated(shown.planes.double(), torch.stack(steps(QUALITY)), sampling=name)
    return shown, told


@pytest.mark.parametrize("name", SAMPLINGS)
def test_middles_are_the_files_own_coefficients(clean, name):
    """Though chroma comes interpolated to luma's resolution."""
    shown, told = stated(clean, name)
    for component, coefficients, step in zip(told, shown.coefficients, (0, 1, 1), strict=True):
        table = steps(QUALITY)[step].reshape(1, 64, 1, 1)
        assert torch.equal(component.middle, (coefficients * table).double())


def test_middles_of_a_real_file_are_its_coefficients(clean):
    content = io.BytesIO()
    Image.fromarray(clean[0].permute(1, 2, 0).numpy()).save(content, "JPEG", quality=QUALITY)
    with read.as_file(content.getvalue()) as path:
        image = read.read(path).image
        planes = decode.planes(image, Region(0, 0, *image.grid))
        tables_of = np.stack([image.components[index].table for index in (0, 1)]).astype(np.float32)
        told = intervals.stated(torch.from_numpy(planes)[None], torch.from_numpy(tables_of), sampling="4:2:0")
        for component, its in zip(told, image.components, strict=True):
            found = (component.middle / component.step)[0].permute(1, 2, 0).reshape(its.coefficients.shape)
            assert np.array_equal(found.numpy(), its.coefficients)


@pytest.mark.parametrize("name", ["4:4:4", "4:2:0", "4:1:1"])
def test_clean_picture_lies_inside_but_for_the_encoders_rounding(clean, name):
    _, told = stated(clean, name)
    assert intervals.distance(told, clean_planes(clean).double()) < 0.3
    plain = [component.middle for component in told]
    assert all(torch.isfinite(middle).all() for middle in plain)


def test_distance_is_0_inside_and_the_squared_error_far_outside(clean):
    shown, told = stated(clean, "4:4:4")
    assert intervals.distance(told, shown.planes.double()) < 1e-9
    far = shown.planes.double() + 1000.0
    (luma, *_), around = told, told[0].step[0, 0].item() / 2
    expected = ((8000.0 - around) ** 2 / 64 + sum((8000 - c.step[0, 0].item() / 2) ** 2 / 64 for c in told[1:])) / 3
    assert intervals.distance(told, far).item() == pytest.approx(expected, rel=1e-9)
    assert luma.outside(luma.error(far[:, :1]))[:, 1:].abs().max() < 1e-6


def test_pull_adds_a_share_of_the_squared_error(clean):
    shown, told = stated(clean, "4:4:4")
    moved = shown.planes.double() + 0.25  # a block's mean by 2, inside its interval
    assert intervals.distance(told, moved) < 1e-9
    assert intervals.distance(told, moved, pull=0.5).item() == pytest.approx(0.5 * 0.25**2)


def test_distance_has_the_gradient_that_a_descent_needs(clean):
    shown, told = stated(clean, "4:2:0")
    planes = shown.planes.double() + 9 * torch.randn(shown.planes.shape, generator=torch.Generator().manual_seed(1))
    planes = planes.requires_grad_()
    before = intervals.distance(told, planes)
    (gradient,) = torch.autograd.grad(before, planes)
    after = intervals.distance(told, (planes - 1e4 * gradient).detach())
    assert after < 0.7 * before


def test_what_is_hidden_does_not_count_and_is_no_mean_and_not_0(clean):
    shown, told = stated(clean, "4:2:0")
    masks = intervals.hidden(told, share=0.5, seed=3)
    for mask, component in zip(masks, told, strict=True):
        assert not (mask & (component.middle == 0)).any()
        assert not mask[:, 0].any()
    assert masks[0].sum() > 20
    luma = told[0].middle.clone()
    luma[masks[0]] += 1000
    planes = torch.cat((samples(luma), shown.planes[:, 1:].double()), 1)
    assert intervals.distance(told, planes) > 1
    assert intervals.distance(told, planes, masks) < 1e-9
    assert intervals.judged(told, planes, masks) > intervals.judged(told, shown.planes.double(), masks)


def test_gray_has_one_component(clean):
    shown = compressed(clean, "gray")
    told = intervals.stated(shown.planes[:, :1].double(), torch.stack(steps(QUALITY)), sampling="gray")
    assert len(told) == 1
    assert intervals.distance(told, shown.planes[:, :1].double()) < 1e-9


@pytest.mark.parametrize("quality", [10, 30, 75])
@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
def test_variance_of_the_error_is_told_within_a_factor_of_2(name, quality):
    """Of the luma, whose encoder loses nothing but by rounding coefficients."""
    clean = torch.from_numpy(getattr(data, name)()[:256, :256].copy()).permute(2, 0, 1)[None]
    luma, chroma = (table.reshape(1, 64) for table in steps(quality))
    shown = compress(clean, luma, chroma, sampling="4:4:4").planes
    told = intervals.stated(shown.double(), torch.stack(steps(quality)), sampling="4:4:4")
    true = (shown - clean_planes(clean))[:, 0].square().mean().item()
    assert true / 2 < intervals.error(told)[0].item() < 2 * true
