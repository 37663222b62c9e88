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
from jpegfilter.training import data, degradation  # noqa: E402
from jpegfilter.training import recipe as recipes  # noqa: E402
from jpegfilter.training.data import Photos  # noqa: E402
from jpegfilter.training.recipe import from_dict  # noqa: E402


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


def same_step(one, other):
    return one.sampling == other.sampling and torch.equal(one.tables, other.tables)


def same(one, other):
    if not (torch.equal(one.rgb, other.rgb) and same_step(one.last, other.last)):
        return False
    if one.past is None or other.past is None:
        return one.past is other.past
    fates = [(past.again, past.offset, past.size, past.found) for past in (one.past, other.past)]
    return same_step(one.past.first, other.past.first) and fates[0] == fates[1]


@pytest.mark.parametrize("pasts", [{}, {"pixels": 1, "twice": 1, "resized": 1}], ids=["none", "all"])
def test_draw_depends_on_seed_and_step_alone(folder, recipe, pasts):
    made, other_seed = recipe(pasts=pasts, other_tables=0.5), recipe(pasts=pasts, other_tables=0.5, seed=6)
    photos = data.load(folder, recipe(), held_out=False)
    again = data.load(folder, recipe(), held_out=False)
    torch.manual_seed(1)
    expected = [data.draw(photos, made, step=step) for step in range(4)]
    torch.manual_seed(2)
    np.random.seed(3)
    assert all(same(data.draw(again, made, step=step), expected[step]) for step in (2, 0, 3, 1))
    assert not any(torch.equal(expected[0].rgb, other.rgb) for other in expected[1:])
    assert not torch.equal(data.draw(photos, other_seed, step=0).rgb, expected[0].rgb)


@pytest.mark.parametrize("rescale_share", [0.0, 1.0])
def test_patches_have_their_shape(photos, recipe, rescale_share):
    batch = data.draw(photos, recipe(batch=5, rescale_share=rescale_share), step=0)
    assert (batch.rgb.dtype, tuple(batch.rgb.shape)) == (torch.uint8, (5, 3, 32, 32))
    assert batch.last.luma.shape == batch.last.chroma.shape == (5, 64)
    assert not batch.last.luma.is_floating_point()
    assert batch.past is None


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
    drawn = [of[row.numpy().tobytes()] for row in batch.last.luma]
    assert set(drawn) == {*range(60, 71), 5, 6, 7}
    low = sum(quality < 10 for quality in drawn)
    assert abs(low - 50) < 4 * math.sqrt(200 * 0.25 * 0.75)
    for quality, row in zip(drawn, batch.last.chroma, strict=True):
        assert np.array_equal(row.numpy().reshape(8, 8), tables.ijg_table(tables.CHROMA, quality))


def test_samplings_are_drawn_at_their_frequencies(photos, recipe):
    shares = {"4:2:0": 6.0, "4:4:4": 3.0, "gray": 1.0}
    made = recipe(batch=1, samplings=shares, rescale_share=0.0)
    drawn = [data.draw(photos, made, step=step).last.sampling for step in range(500)]
    for name, share in shares.items():
        expected = 500 * share / 10
        assert abs(drawn.count(name) - expected) < 4 * math.sqrt(expected)


def test_images_are_drawn_at_their_weights(recipe):
    flat = tuple(torch.full((32, 32, 3), level, dtype=torch.uint8) for level in (10, 20, 30))
    batch = data.draw(Photos(flat, np.array([0.7, 0.0, 0.3]), ""), recipe(batch=400), step=0)
    levels = batch.rgb[:, 0, 0, 0].tolist()
    assert set(levels) == {10, 30}
    assert abs(levels.count(10) - 280) < 4 * math.sqrt(400 * 0.7 * 0.3)


IJG = {(tables.ijg_table(base, q).astype(np.int64).tobytes(), base is tables.LUMA)
       for base in (tables.LUMA, tables.CHROMA) for q in range(1, 101)}  # fmt: skip


def is_ijg(step):
    """Whether the tables of luma and of chroma of each patch are those of some quality."""
    pairs = zip(step.luma, step.chroma, strict=True)
    return [((y.numpy().tobytes(), True) in IJG, (c.numpy().tobytes(), False) in IJG) for y, c in pairs]


def test_other_tables_are_drawn_at_their_share(photos, recipe):
    made = recipe(batch=400, other_tables=0.3, quality=[20, 80], low_quality=[20, 80], rescale_share=0.0)
    known = is_ijg(data.draw(photos, made, step=0).last)
    others = sum(luma is False for luma, _ in known)
    assert abs(others - 120) < 4 * math.sqrt(400 * 0.3 * 0.7)
    assert all(luma == chroma for luma, chroma in known)


@pytest.mark.parametrize("quality", [1, 50, 100])
def test_other_tables_are_whole_steps_a_file_can_hold(photos, recipe, quality):
    made = recipe(batch=200, other_tables=1.0, quality=[quality] * 2, low_quality=[quality] * 2, rescale_share=0.0)
    step = data.draw(photos, made, step=0).last
    for drawn, base in ((step.luma, tables.LUMA), (step.chroma, tables.CHROMA)):
        assert (drawn.dtype, tuple(drawn.shape)) == (torch.int64, (200, 64))
        assert (int(drawn.min()) >= 1, int(drawn.max()) <= 255) == (True, True)
        # Flatter and steeper: what is drawn lies on both sides of what it comes from, where there is room.
        plain = torch.from_numpy(tables.ijg_table(base, quality).astype(np.int64).reshape(64))
        assert (drawn[:, 63] < plain[63]).any() or quality == 100
        assert (drawn[:, 63] > plain[63]).any() or quality == 1


PASTS = {"none": 4.0, "pixels": 1.0, "twice": 4.0, "resized": 1.0}


def fate(past):
    """The name of what befell a batch."""
    if past is None:
        return "none"
    if not past.again:
        return "pixels"
    return "twice" if past.size is None else "resized"


@pytest.fixture(scope="module")
def drawn():
    """A thousand batches of one patch, in every past."""
    values = {"network": "fast-arcnn", "patch": 32, "batch": 1, "phases": [{"rate": 1e-3, "patches": 8}],
              "samplings": {"4:2:0": 0.5, "4:4:4": 0.5}, "pasts": PASTS, "rescale_share": 0.0}  # fmt: skip
    photo = torch.from_numpy(pictures.astronaut()[60:220, 200:360].copy())
    made, one = from_dict(values), Photos((photo,), np.ones(1), "")
    return [data.draw(one, made, step=step) for step in range(1000)]


def assert_share(found, *, of, share):
    assert abs(found - of * share) < 4 * math.sqrt(of * share * (1 - share))


def test_every_past_has_a_share():
    assert set(PASTS) == set(recipes.PASTS)


def test_pasts_are_drawn_at_their_shares(drawn):
    fates = [fate(batch.past) for batch in drawn]
    for name, share in PASTS.items():
        assert_share(fates.count(name), of=1000, share=share / 10)


def test_what_a_network_can_be_shown_depends_on_the_past(drawn):
    """A first compression is found in pixels, which tell of nothing else; after a reduction, its grid is gone."""
    found = {name: {b.past.found for b in drawn if fate(b.past) == name} for name in PASTS if name != "none"}
    assert found == {"pixels": {True}, "twice": {True, False}, "resized": {False}}
    twice = [batch.past.found for batch in drawn if fate(batch.past) == "twice"]
    assert_share(sum(twice), of=len(twice), share=data._FOUND)


def test_grids_are_shifted_at_their_share_by_less_than_an_mcu(drawn):
    offsets = [batch.past.offset for batch in drawn if batch.past is not None]
    assert {v for offset in offsets for v in offset} == set(range(16))
    assert_share(sum(offset != (0, 0) for offset in offsets), of=len(offsets), share=data._SHIFTED * 255 / 256)


def test_first_compression_is_the_coarser(drawn):
    pairs = [(batch.past.first, batch.last) for batch in drawn if batch.past is not None]
    assert all((getattr(a, kind) >= getattr(b, kind)).all() for a, b in pairs for kind in ("luma", "chroma"))
    assert all((a.luma > b.luma).any() for a, b in pairs)


def test_reductions_keep_room_for_the_patch(drawn):
    sizes = [
        (batch.past.size, batch.past.offset, batch.rgb.shape[-1]) for batch in drawn if fate(batch.past) == "resized"
    ]
    assert all(max(offset) + 32 <= size <= side for size, offset, side in sizes)
    assert len({size for size, *_ in sizes}) > 20


def test_every_draw_can_be_degraded_to_the_patch(drawn):
    for batch in drawn[:100]:
        shown = degradation.degrade(batch.rgb, batch.last, batch.past, patch=32)
        assert shown.planes.shape == shown.clean.shape == (1, 3, 32, 32)


def test_small_pictures_are_continued_by_their_mirror_image(photos, recipe):
    """A past cuts off more than a picture of 40 by 40 has."""
    image = photos.images[0].numpy()
    batch = data.draw(photos, recipe(batch=20, rescale_share=0.0, pasts={"resized": 1.0}), step=0)
    side = batch.rgb.shape[-1]
    assert side > 80
    whole = np.pad(image, ((0, side - 40), (0, side - 40), (0, 0)), mode="symmetric").transpose(2, 0, 1)
    known = {np.rot90(whole, turns, (1, 2))[:, :, ::mirror].tobytes() for turns in range(4) for mirror in (1, -1)}
    assert {patch.numpy().tobytes() for patch in batch.rgb} <= known
