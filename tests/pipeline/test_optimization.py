"""A network for each picture: of every kind of file, followed, ended early."""

import io

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("onnx")

from jpegfilter.codec import read
from jpegfilter.engines.effort import Effort
from jpegfilter.engines.network import EngineOptions
from jpegfilter.errors import OutputError
from jpegfilter.jpeg.decode import Region
from jpegfilter.pipeline import optimization
from jpegfilter.pipeline.following import Follow
from jpegfilter.pipeline.restoration import RestoreOptions
from jpegfilter.pipeline.restorer import Restorer

FAST = EngineOptions("fast", "cpu", 1)
ONE = Effort(steps=1, views=1)
SAMPLINGS = {
    "4:2:0": "4:2:0", "4:1:1": "4:1:1", "4:1:0": "4:1:0", "1x3": "4:2:0", "gray": "gray", "RGB": "4:4:4",
    "CMYK": "4:4:4", "YCCK": "4:2:0",
}  # fmt: skip


@pytest.fixture(scope="module")
def fitting():
    return Restorer(FAST, RestoreOptions(tile=128), effort=ONE)


@pytest.fixture(scope="module")
def plain():
    return Restorer(FAST, RestoreOptions(tile=128))


def pixels(image):
    return np.asarray(image).astype(int)


@pytest.mark.parametrize("kind", SAMPLINGS)
def test_every_kind_of_file_is_fitted_to(kind, jpegs, fitting, plain):
    restored, usual = fitting.restore(jpegs[kind]), plain.restore(jpegs[kind])
    assert (restored.mode, restored.size) == (usual.mode, usual.size)
    assert 0 < np.abs(pixels(restored) - pixels(usual)).max() < 60
    assert np.abs(pixels(restored) - pixels(usual)).mean() < 1


@pytest.mark.parametrize("kind", SAMPLINGS)
def test_subsampling_is_told_by_its_name(kind, jpegs):
    assert optimization.sampling_of(read.read(jpegs[kind]).image) == SAMPLINGS[kind]


def test_each_picture_has_a_network_of_its_own(jpegs, fitting):
    """A fit leaves no trace in the next one's result."""
    first = pixels(fitting.restore(jpegs["4:4:4"]))
    fitting.restore(jpegs["gray"])
    assert np.array_equal(pixels(fitting.restore(jpegs["4:4:4"])), first)


def test_pixels_with_a_past_are_fitted_to(photo, encode, fitting, plain):
    content = io.BytesIO()
    Image.open(io.BytesIO(encode(photo, 12))).save(content, "PNG")
    restored, usual = (pixels(restorer.restore(content.getvalue())) for restorer in (fitting, plain))
    assert 0 < np.abs(restored - usual).mean() < 1


def test_pixels_without_a_past_stay_as_they_are(photo, fitting):
    assert np.array_equal(pixels(fitting.restore(photo)), photo)


def test_nothing_is_fitted_at_strength_0(jpegs):
    asked = []
    follow = Follow(halted=lambda: bool(asked.append(1)))
    restorer = Restorer(FAST, RestoreOptions(strength=0), effort=ONE, follow=follow)
    expected = Restorer(FAST, RestoreOptions(strength=0)).restore(jpegs["4:2:0"])
    assert np.array_equal(pixels(restorer.restore(jpegs["4:2:0"])), pixels(expected))
    assert not asked


def test_halted_fit_gives_the_network_as_it_is(jpegs):
    """Several views are as good a start as one."""
    restorer = Restorer(FAST, effort=ONE, follow=Follow(halted=lambda: True))
    started = Restorer(FAST, effort=ONE)
    started.optimizer = None
    restored, start = (pixels(r.restore(jpegs["4:2:0"])) for r in (restorer, started))
    assert np.array_equal(restored, start)


def test_progress_rises_over_the_fit_and_the_restoration(jpegs, tmp_path):
    said = []
    restorer = Restorer(FAST, RestoreOptions(tile=64), effort=Effort(steps=3, views=1))
    restorer.restore_file(jpegs["4:4:4"], tmp_path / "out.png", progress=said.append)
    assert said == sorted(said)
    assert (said[0], said[-1]) == (0, 1)
    assert len([share for share in said if share < 0.85]) == 3


def test_previews_are_whole_pictures_and_do_not_stay(jpegs, tmp_path, photo):
    """The last preview is looked at when the fit is asked whether to go on."""
    place = tmp_path / "out.preview.png"
    seen = []

    def halted():
        if place.exists():
            with Image.open(place) as preview:
                seen.append(preview.size)
        return False

    restorer = Restorer(FAST, effort=Effort(steps=3, views=1), follow=Follow(halted, preview_seconds=1e-6))
    restorer.restore_file(jpegs["4:2:0"], tmp_path / "out.png")
    assert set(seen) == {(photo.shape[1], photo.shape[0])}
    assert [path.name for path in tmp_path.iterdir()] == ["out.png"]


@pytest.mark.parametrize("effort", [ONE, None], ids=["fit", "no fit"])
def test_a_file_that_is_called_like_a_preview_is_not_lost(jpegs, tmp_path, effort):
    place = tmp_path / "out.preview.png"
    place.write_bytes(b"there before")
    restorer = Restorer(FAST, effort=effort, follow=Follow(preview_seconds=1e-6))
    if effort:
        with pytest.raises(OutputError, match="preview"):
            restorer.restore_file(jpegs["gray"], tmp_path / "out.png")
    else:
        restorer.restore_file(jpegs["gray"], tmp_path / "out.png")
    assert place.read_bytes() == b"there before"


def test_large_pictures_are_looked_at_in_part():
    tiles = [Region(top, 0, top + 1000, 1000) for top in range(0, 10_000, 1000)]
    kept = optimization.chosen(tiles, seed=3)
    assert sum(tile.height * tile.width for tile in kept) == 3_000_000
    assert len({tile.top for tile in kept}) == 3
    assert kept == optimization.chosen(tiles, seed=3)
    assert optimization.chosen([Region(0, 0, 9000, 9000)], seed=0) == [Region(0, 0, 9000, 9000)]
