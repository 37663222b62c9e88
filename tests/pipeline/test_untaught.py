"""A network of its own for each file, made by chance: files of every kind, tiles, followed, ended early."""

import io

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from jpegfilter.engines.effort import Effort, Untrained
from jpegfilter.engines.network import EngineOptions
from jpegfilter.errors import UsageError
from jpegfilter.pipeline.following import Follow
from jpegfilter.pipeline.restoration import RestoreOptions
from jpegfilter.pipeline.restorer import Restorer

ENGINE = EngineOptions("fast", "cpu", 1)


def fitting(*, loss="interval", follow=None, steps=2, **choice):
    effort = Effort(steps, untrained=Untrained("low", loss, **choice))
    return Restorer(ENGINE, RestoreOptions(tile=128), effort=effort, follow=follow)


def pixels(image):
    return np.asarray(image).astype(int)


@pytest.mark.parametrize("kind", ["4:2:0", "4:1:1", "4:4:4", "gray", "YCCK"])
def test_result_lies_inside_the_files_intervals(kind, jpegs):
    """Whatever the network has come to: after two steps it shows next to nothing."""
    restored, plain = fitting().restore(jpegs[kind]), Restorer(ENGINE, RestoreOptions(strength=0)).restore(jpegs[kind])
    assert (restored.mode, restored.size) == (plain.mode, plain.size)
    assert 0 < np.abs(pixels(restored) - pixels(plain)).mean() < 12


def test_a_short_fit_gains_because_it_is_followed_with_doubt(photo, encode, decibels):
    content = encode(photo, 20)
    effort = Effort(60, untrained=Untrained("low"))
    doubted, trusted = (
        decibels(Restorer(ENGINE, RestoreOptions(doubt=doubt), effort=effort).restore(content), photo)
        for doubt in (True, False)
    )
    plain = decibels(Image.open(io.BytesIO(content)), photo)
    assert trusted < plain < doubted


@pytest.mark.parametrize("kind", ["1x3", "RGB", "CMYK"])
def test_a_file_whose_intervals_are_not_told_wants_another_loss(kind, jpegs):
    with pytest.raises(UsageError, match="another loss"):
        fitting().restore(jpegs[kind])
    assert fitting(loss="mse").restore(jpegs[kind]).size


def test_gray_pixels_with_a_past_have_intervals(jpegs):
    with Image.open(jpegs["gray"]) as image:
        decoded = np.asarray(image)
    assert fitting().restore(decoded).size == decoded.shape[::-1]


def test_pixels_with_a_past_are_fitted_to(jpegs):
    with Image.open(jpegs["4:2:0"]) as image:
        decoded = np.asarray(image.convert("RGB"))
    with pytest.raises(UsageError, match="another loss"):  # where chroma's blocks lie, pixels do not tell
        fitting().restore(decoded)
    restored = fitting(loss="mse").restore(decoded)
    assert restored.size == decoded.shape[1::-1]
    assert not np.array_equal(pixels(restored), decoded)


def test_progress_rises_over_all_tiles_to_the_end(jpegs, tmp_path):
    seen = []
    fitting(stop="none").restore_file(jpegs["4:2:0"], tmp_path / "out.png", progress=seen.append)
    assert seen == sorted(seen)
    assert len(seen) >= 4
    assert 0.8 < seen[-1] <= 1


def test_a_preview_shows_tiles_done_and_the_rest_as_it_was(jpegs, tmp_path):
    shown = []
    target = tmp_path / "out.png"
    preview = tmp_path / "out.preview.png"

    def look(_):
        if preview.exists() and not shown:
            with Image.open(preview) as image:
                shown.append(np.asarray(image).astype(int))

    fitting(follow=Follow(preview_seconds=1e-9), steps=3).restore_file(jpegs["4:2:0"], target, progress=look)
    with Image.open(io.BytesIO(jpegs["4:2:0"].read_bytes())) as image:
        plain = np.asarray(image.convert("RGB")).astype(int)
    assert shown[0].shape == plain.shape
    assert np.abs(shown[0][:64, :64] - plain[:64, :64]).mean() > np.abs(shown[0][-16:, -16:] - plain[-16:, -16:]).mean()
    assert not preview.exists()


def test_halted_it_returns_what_there_is(jpegs):
    calls = []
    follow = Follow(halted=lambda: calls.append(1) or len(calls) > 1)
    restored = fitting(follow=follow, steps=10**6).restore(jpegs["4:4:4"])
    assert restored.size
    assert len(calls) < 20


def test_strength_0_fits_nothing(jpegs):
    effort = Effort(10**9, untrained=Untrained("low"))
    restorer = Restorer(ENGINE, RestoreOptions(strength=0), effort=effort)
    assert restorer.restore(jpegs["4:2:0"]).size
