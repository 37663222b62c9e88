"""Training images, held-out images, and the draws of each step."""

import math
import shutil

import numpy as np
import pytest
from PIL import Image
from skimage import data as pictures

torch = pytest.importorskip("torch")

from jpegfilter.errors import UsageError  # noqa: E402
from jpegfilter.jpeg import tables  # noqa: E402
from jpegfilter.training import data  # noqa: E402
from jpegfilter.training.data import Photos  # noqa: E402


def keys(photos):
    return {image.numpy().tobytes() for image in photos.images}


@pytest.fixture
def photos():
    """One photograph of 40 by 40."""
    return Photos((torch.from_numpy(pictures.astronaut()[60:100, 200:240].copy()),), np.ones(1), "")


def test_held_out_and_training_images_share_nothing_and_are_all(folder, recipe):
    training, held_out = (data.load(folder, recipe(), held_out=held_out) for held_out in (False, True))
    assert keys(training) & keys(held_out) == set()
    assert len(training.images) + len(held_out.images) == len(keys(training) | keys(held_out)) == 30
    assert training.manifest != held_out.manifest


def test_more_is_held_out_as_the_share_grows(folder, recipe):
    smaller = keys(data.load(folder, recipe(validation_share=0.2), held_out=True))
    larger = keys(data.load(folder, recipe(validation_share=0.6), held_out=True))
    assert smaller < larger
    assert len(data.load(folder, recipe(validation_share=1.0), held_out=True).images) == 30
    assert len(data.load(folder, recipe(validation_share=0.0), held_out=False).images) == 30


def test_what_is_held_out_depends_on_the_name_alone(folder, recipe, tmp_path):
    """More images, or another seed, move no image from one side to the other."""
    for path in sorted(folder.iterdir())[10:]:
        shutil.copy(path, tmp_path)
    held_out = keys(data.load(tmp_path, recipe(seed=99), held_out=True))
    training = keys(data.load(tmp_path, recipe(seed=99), held_out=False))
    assert held_out
    assert held_out == keys(data.load(folder, recipe(), held_out=True)) & (held_out | training)


def test_images_are_whole_and_of_three_channels(folder, recipe):
    photos = data.load(folder, recipe(validation_share=0.0), held_out=False)
    expected = np.asarray(Image.open(folder / "00.png"))
    assert np.array_equal(photos.images[0].numpy(), expected)
    assert all((image.dtype, tuple(image.shape)) == (torch.uint8, (40, 48, 3)) for image in photos.images)
    assert photos.weights.sum() == pytest.approx(1)


def test_small_images_and_other_files_are_left_out(folder, recipe, tmp_path):
    shutil.copy(folder / "00.png", tmp_path / "good.png")
    Image.new("RGB", (31, 200)).save(tmp_path / "narrow.png")
    Image.new("RGB", (64, 64)).save(tmp_path / "lossy.jpg")
    Image.new("L", (64, 64)).save(tmp_path / "gray.png")
    (tmp_path / "notes.txt").write_text("not a picture")
    photos = data.load(tmp_path, recipe(validation_share=0.0), held_out=False)
    assert sorted(tuple(image.shape) for image in photos.images) == [(40, 48, 3), (64, 64, 3)]


def test_manifest_names_the_files(folder, recipe, tmp_path):
    shutil.copy(folder / "00.png", tmp_path / "a.png")
    shutil.copy(folder / "01.png", tmp_path / "b.png")

    def manifest():
        return data.load(tmp_path, recipe(validation_share=0.0), held_out=False).manifest

    first = manifest()
    assert manifest() == first
    (tmp_path / "b.png").rename(tmp_path / "c.png")
    assert manifest() != first


def test_sets_are_weighted(folder, recipe, tmp_path):
    for name in ("00.png", "01.png", "02.png"):
        shutil.copy(folder / name, tmp_path)
    (tmp_path / "SOURCES.tsv").write_text("file\tset\n00.png\tfine\n01.png\tcoarse\nabsent.png\tfine\n")
    made = recipe(validation_share=0.0, set_weights={"fine": 2.0, "coarse": 0.0})
    assert data.load(tmp_path, made, held_out=False).weights.tolist() == pytest.approx([2 / 3, 0, 1 / 3])


def test_folder_without_images_is_a_usage_error(recipe, tmp_path):
    with pytest.raises(UsageError):
        data.load(tmp_path, recipe(), held_out=False)
    with pytest.raises(UsageError):
        data.load(tmp_path / "none", recipe(), held_out=False)


def same(one, other):
    return one.sampling == other.sampling and all(
        torch.equal(getattr(one, name), getattr(other, name)) for name in ("rgb", "luma", "chroma")
    )


def test_draw_depends_on_seed_and_step_alone(folder, recipe):
    photos = data.load(folder, recipe(), held_out=False)
    again = data.load(folder, recipe(), held_out=False)
    torch.manual_seed(1)
    expected = [data.draw(photos, recipe(), step=step) for step in range(4)]
    torch.manual_seed(2)
    np.random.seed(3)
    assert all(same(data.draw(again, recipe(), step=step), expected[step]) for step in (2, 0, 3, 1))
    assert not any(torch.equal(expected[0].rgb, other.rgb) for other in expected[1:])
    assert not torch.equal(data.draw(photos, recipe(seed=6), step=0).rgb, expected[0].rgb)


@pytest.mark.parametrize("rescale_share", [0.0, 1.0])
def test_patches_have_their_shape(photos, recipe, rescale_share):
    batch = data.draw(photos, recipe(batch=5, rescale_share=rescale_share), step=0)
    assert (batch.rgb.dtype, tuple(batch.rgb.shape)) == (torch.uint8, (5, 3, 32, 32))
    assert batch.luma.shape == batch.chroma.shape == (5, 64)
    assert not batch.luma.is_floating_point()


def test_patches_are_windows_turned_and_mirrored(photos, recipe):
    image = photos.images[0].numpy()
    windows = np.lib.stride_tricks.sliding_window_view(image, (32, 32), axis=(0, 1)).reshape(81, 3, 32, 32)
    known = {
        np.ascontiguousarray(turned[:, :, ::mirror]).tobytes(): (number, mirror, turns)
        for number, window in enumerate(windows)
        for turns in range(4)
        for mirror in (1, -1)
        for turned in [np.rot90(window, turns, (1, 2))]
    }
    patches = data.draw(photos, recipe(batch=200, rescale_share=0.0), step=0).rgb
    seen = [known[patch.numpy().tobytes()] for patch in patches]
    assert len({number for number, *_ in seen}) > 60
    assert {(mirror, turns) for _, mirror, turns in seen} == {(m, t) for m in (1, -1) for t in range(4)}


def test_tables_are_of_the_recipes_qualities_and_belong_together(photos, recipe):
    made = recipe(batch=200, quality=[60, 70], low_quality=[5, 7], low_quality_share=0.25)
    of = {tables.ijg_table(tables.LUMA, q).astype(np.int64).tobytes(): q for q in range(1, 101)}
    batch = data.draw(photos, made, step=3)
    drawn = [of[row.numpy().tobytes()] for row in batch.luma]
    assert set(drawn) == {*range(60, 71), 5, 6, 7}
    low = sum(quality < 10 for quality in drawn)
    assert abs(low - 50) < 4 * math.sqrt(200 * 0.25 * 0.75)
    for quality, row in zip(drawn, batch.chroma, strict=True):
        assert np.array_equal(row.numpy().reshape(8, 8), tables.ijg_table(tables.CHROMA, quality))


def test_samplings_are_drawn_at_their_frequencies(photos, recipe):
    shares = {"4:2:0": 6.0, "4:4:4": 3.0, "gray": 1.0}
    made = recipe(batch=1, samplings=shares, rescale_share=0.0)
    drawn = [data.draw(photos, made, step=step).sampling for step in range(500)]
    for name, share in shares.items():
        expected = 500 * share / 10
        assert abs(drawn.count(name) - expected) < 4 * math.sqrt(expected)


def test_images_are_drawn_at_their_weights(recipe):
    flat = tuple(torch.full((32, 32, 3), level, dtype=torch.uint8) for level in (10, 20, 30))
    batch = data.draw(Photos(flat, np.array([0.7, 0.0, 0.3]), ""), recipe(batch=400), step=0)
    levels = batch.rgb[:, 0, 0, 0].tolist()
    assert set(levels) == {10, 30}
    assert abs(levels.count(10) - 280) < 4 * math.sqrt(400 * 0.7 * 0.3)
