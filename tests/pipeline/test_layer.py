"""Layers of an editor: when the file counts, when only the pixels do, and what every kind of samples comes back as."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from skimage import data

from jpegfilter import Restorer
from jpegfilter.engines.network import EngineOptions, open_network
from jpegfilter.jpeg import tables
from jpegfilter.pipeline.layer import Layer, basis, restore_layer, turned
from jpegfilter.pipeline.restoration import RestoreOptions

CLEAN = np.ascontiguousarray(data.astronaut()[:200, 100:356])
OPTIONS = RestoreOptions()


@pytest.fixture(scope="module")
def engine():
    return open_network(EngineOptions(device="cpu"))


@pytest.fixture(scope="module", params=["RGB", "L"])
def file(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("layer") / "photo.jpg"
    Image.fromarray(CLEAN).convert(request.param).save(path, quality=10)
    return path


def shown(path):
    """Pillow's decode `(H, W, C)`, as an editor would show it."""
    with Image.open(path) as image:
        pixels = np.array(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def like(pixels):
    """The clean photo with as many channels."""
    image = Image.fromarray(CLEAN).convert("L" if pixels.shape[2] == 1 else "RGB")
    return np.array(image).reshape(*image.size[::-1], -1)


def restored(path, **options):
    image = np.array(Restorer(EngineOptions(device="cpu"), RestoreOptions(**options)).restore(path))
    return image if image.ndim == 3 else image[..., None]


def psnr(one, other):
    return -10 * np.log10(np.square(one.astype(float) - other).mean() / 255**2)


def test_a_layer_that_shows_its_file_becomes_what_the_program_makes_of_it(file, engine):
    layer = Layer(shown(file), file)
    found = basis(layer, engine, OPTIONS)
    assert (found.kind, found.file) == ("file", file)
    assert file.name in found.text
    assert np.array_equal(restore_layer(layer, found, engine, OPTIONS), restored(file))


def test_another_decoder_may_differ_a_little(file, engine):
    random = np.random.default_rng(3)
    near = np.clip(shown(file).astype(int) + random.integers(-2, 3, shown(file).shape), 0, 255).astype(np.uint8)
    assert basis(Layer(near, file), engine, OPTIONS).kind == "file"


def test_opacity_and_what_lies_under_it_stay(file, engine):
    colors = shown(file)
    opacity = np.random.default_rng(1).integers(0, 256, (*colors.shape[:2], 1), dtype=np.uint8)
    layer = Layer(np.concatenate((colors, opacity), axis=2), file)
    result = restore_layer(layer, basis(layer, engine, OPTIONS), engine, OPTIONS)
    assert np.array_equal(result[..., -1:], opacity)
    assert np.array_equal(result[..., :-1], restored(file))


def test_float_samples_come_back_finer_than_bytes(file, engine):
    layer = Layer(shown(file).astype(np.float32) / 255, file)
    result = restore_layer(layer, basis(layer, engine, OPTIONS), engine, OPTIONS)
    assert result.dtype == np.float32
    assert np.abs(result * 255 - restored(file)).max() <= 0.5 + 1e-3
    assert len(np.unique(result)) > 256


@pytest.mark.parametrize("change", [6, -6])
def test_one_edited_sample_is_enough_to_leave_the_file(change, file, engine):
    pixels = shown(file)
    pixels[90, 130] = np.clip(pixels[90, 130].astype(int) + change, 0, 255)
    assert basis(Layer(pixels, file), engine, OPTIONS).kind != "file"


def test_a_faint_edit_of_an_area_leaves_the_file(file, engine):
    pixels = shown(file)
    pixels[64:96, 64:96] = np.clip(pixels[64:96, 64:96].astype(int) + 3, 0, 255)
    assert basis(Layer(pixels, file), engine, OPTIONS).kind != "file"


def test_what_was_painted_stays(file, engine):
    pixels = shown(file)
    pixels[40:104, 40:104] = 200
    layer = Layer(pixels, file)
    result = restore_layer(layer, basis(layer, engine, OPTIONS), engine, OPTIONS)
    assert np.abs(result[56:88, 56:88].astype(int) - 200).max() <= 8
    clean = like(pixels)[120:]
    assert psnr(result[120:], clean) > psnr(pixels[120:], clean) + 0.5


def test_an_edit_of_all_colors_keeps_the_files_blocks(file, engine):
    def edited(pixels):
        return 255 * (pixels / 255) ** 0.8

    brighter = edited(shown(file)).round().astype(np.uint8)
    layer = Layer(brighter, file)
    found = basis(layer, engine, OPTIONS)
    assert found.kind == "tables"
    assert (found.told.top, found.told.left) == (0, 0)
    result = restore_layer(layer, found, engine, OPTIONS)
    wanted = edited(like(brighter))
    assert psnr(result, wanted) > psnr(brighter, wanted) + 0.5


def test_another_picture_of_the_same_size_is_not_its_file(file, engine):
    other = np.ascontiguousarray(data.coffee()[100:300, 200:456])
    other = other if shown(file).shape[2] == 3 else other[..., :1]
    assert basis(Layer(other, file), engine, OPTIONS).kind == "nothing"


@pytest.mark.parametrize("damage", ["gone", "no JPEG", "other size"])
def test_a_file_that_is_of_no_use_leaves_the_pixels(damage, file, engine, tmp_path):
    path = tmp_path / "photo.jpg"
    if damage == "no JPEG":
        path.write_bytes(b"\xff\xd8\xff and no more")
    if damage == "other size":
        Image.new("RGB", (9, 9)).save(path)
    found = basis(Layer(shown(file), path), engine, OPTIONS)
    assert (found.kind, found.told.top, found.told.left) == ("pixels", 0, 0)
    assert abs(tables.estimate_quality(found.told.tables[0]) - 10) <= 3


def test_a_cropped_layer_is_told_the_tables_that_the_editor_remembers(file, engine):
    pixels = shown(file)[5:, 3:]
    remembered = (tables.ijg_table(tables.LUMA, 10), tables.ijg_table(tables.CHROMA, 10))
    found = basis(Layer(pixels, file, remembered), engine, OPTIONS)
    assert (found.kind, found.told.top, found.told.left) == ("tables", 3, 5)
    assert found.told.tables is remembered


def test_tables_that_do_not_fit_the_pixels_are_not_believed(file, engine):
    remembered = (tables.ijg_table(tables.LUMA, 90), tables.ijg_table(tables.CHROMA, 90))
    found = basis(Layer(shown(file)[5:, 3:], None, remembered), engine, OPTIONS)
    assert found.kind == "pixels"


def test_a_clean_layer_is_left_as_it_is(engine):
    layer = Layer(CLEAN)
    found = basis(layer, engine, OPTIONS)
    assert found.kind == "nothing"
    assert np.array_equal(restore_layer(layer, found, engine, OPTIONS), CLEAN)


def test_a_number_is_believed_before_file_and_pixels(file, engine):
    options = RestoreOptions(quality=30)
    found = basis(Layer(shown(file), file), engine, options)
    assert found.kind == "pixels"
    assert tables.estimate_quality(found.told.tables[0]) == 30


def test_samples_beyond_black_and_white_stay_beyond(engine):
    """What the network changes is added to what was there."""
    samples = CLEAN.astype(np.float32) / 255
    samples[:8, :8] = 1.5
    samples[-8:, -8:] = -0.25
    options = RestoreOptions(quality=20)
    layer = Layer(samples)
    result = restore_layer(layer, basis(layer, engine, options), engine, options)
    assert result[2:6, 2:6].min() > 1.4
    assert result[-6:-2, -6:-2].max() < -0.2


def test_input_samples_are_not_written_to(file, engine):
    pixels = shown(file)
    kept = pixels.copy()
    pixels.flags.writeable = False
    layer = Layer(pixels, file)
    restore_layer(layer, basis(layer, engine, OPTIONS), engine, OPTIONS)
    assert np.array_equal(pixels, kept)


def test_a_file_saved_twice_is_said_to_be(engine, tmp_path):
    first = io.BytesIO()
    Image.fromarray(CLEAN).save(first, "JPEG", quality=10)
    path = tmp_path / "again.jpg"
    Image.open(first).save(path, quality=90)
    found = basis(Layer(shown(path), path), engine, OPTIONS)
    assert found.kind == "file"
    assert "before" in found.text


def test_paths_are_as_the_editor_gives_them(engine):
    assert basis(Layer(CLEAN, Path("/no/such/file.jpg")), engine, OPTIONS).kind == "nothing"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turning_is_pillows(orientation):
    image = Image.fromarray(CLEAN[:24, :40])
    image.getexif()[0x0112] = orientation
    assert np.array_equal(turned(CLEAN[:24, :40], orientation), np.array(ImageOps.exif_transpose(image)))


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_layer_turned_as_its_file_says_is_restored_from_it(orientation, engine, tmp_path):
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(CLEAN).save(path, quality=10, exif=exif)
    layer = Layer(np.ascontiguousarray(turned(shown(path), orientation)), path)
    found = basis(layer, engine, OPTIONS)
    assert (found.kind, found.orientation) == ("file", orientation)
    assert np.array_equal(restore_layer(layer, found, engine, OPTIONS), turned(restored(path), orientation))
    assert basis(Layer(shown(path), path), engine, OPTIONS).orientation == 1
