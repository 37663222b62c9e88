"""The Python interface: what it takes, what it returns, that it gains, and what it costs."""

import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from skimage import data

import jpegfilter
from jpegfilter import EngineOptions, RestoreOptions, Restorer
from jpegfilter.codec import clean
from jpegfilter.codec.write import WriteOptions
from jpegfilter.errors import (
    BrokenImageError,
    DeviceError,
    InputError,
    NotAnImageError,
    OutputError,
    UnsupportedError,
    UsageError,
    WeightsError,
)

CPU = EngineOptions(device="cpu", threads=1)


@pytest.fixture(scope="module")
def content(photo, encode):
    return encode(photo, subsampling=2)


@pytest.fixture
def path(content, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(content)
    return tmp_path / "photo.jpg"


@pytest.fixture(scope="module")
def past(photo, shifted):
    """Pixels of the photo after a coarse compression, whose blocks begin in row 3 and column 5."""
    return shifted(photo, 12)


def pixels_of(image):
    return np.asarray(image)


# What it takes.


def test_every_way_to_name_a_file_gives_the_same(path, content, restorer):
    expected = pixels_of(restorer.restore(path))
    assert expected.shape == (151, 207, 3)
    for source in (str(path), content, Path(str(path))):
        assert np.array_equal(pixels_of(restorer.restore(source)), expected)


def test_a_file_is_left_as_it_was(path, content, restorer):
    restorer.restore(path)
    assert path.read_bytes() == content
    assert [p.name for p in path.parent.iterdir()] == ["photo.jpg"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("shape", "mode"), [((40, 30), "L"), ((40, 30, 1), "L"), ((40, 30, 3), "RGB")])
def test_arrays_of_pixels_are_taken(dtype, shape, mode, photo, restorer):
    pixels = np.resize(photo, (40, 30, 3))[..., : shape[2]] if len(shape) == 3 else np.resize(photo, shape)
    if dtype == np.uint16:
        pixels = pixels.astype(np.uint16) * 257
    image = restorer.restore(pixels)
    assert (image.mode, image.size) == (mode, (30, 40))


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bit_pixels_are_eight_bit_ones_on_a_finer_scale(channels, past, restorer):
    eight = restorer.restore(past[..., :channels])
    sixteen = restorer.restore(past[..., :channels].astype(np.uint16) * 257)
    assert not np.array_equal(pixels_of(eight).reshape(146, 204, -1), past[..., :channels])
    assert np.abs(pixels_of(eight).astype(int) - pixels_of(sixteen)).max() <= 1


def test_memory_order_of_arrays_changes_nothing(past, restorer):
    expected = pixels_of(restorer.restore(past))
    assert not np.array_equal(expected, past)
    kept = past.copy()
    assert np.array_equal(pixels_of(restorer.restore(np.asfortranarray(past))), expected)
    assert np.array_equal(pixels_of(restorer.restore(past[::-1].copy()[::-1])), expected)
    frozen = past.copy()
    frozen.flags.writeable = False
    assert np.array_equal(pixels_of(restorer.restore(frozen)), expected)
    assert np.array_equal(past, kept)


@pytest.mark.parametrize(
    ("mode", "result"),
    [
        ("L", "L"),
        ("RGB", "RGB"),
        ("I;16", "L"),
        ("P", "RGB"),
        ("RGBA", "RGBA"),
        ("LA", "LA"),
        ("1", "L"),
        ("YCbCr", "RGB"),
    ],
)
def test_pillow_images_are_taken(mode, result, photo, gray_photo, restorer):
    if mode == "I;16":
        image = Image.fromarray(gray_photo.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(photo).convert(mode)
    assert image.mode == mode
    restored = restorer.restore(image)
    assert (restored.mode, restored.size) == (result, image.size)


@pytest.mark.parametrize("mode", ["CMYK", "HSV", "LAB", "I", "F"])
def test_pillow_images_of_other_colors_are_refused_by_their_mode(mode, photo, restorer):
    with pytest.raises(UnsupportedError, match=rf"mode {mode}\b"):
        restorer.restore(Image.fromarray(photo).convert(mode))


@pytest.mark.parametrize("size", [(0, 0), (0, 9), (9, 0)])
def test_an_image_of_nothing_is_refused(size, restorer):
    with pytest.raises(UsageError, match=f"{size[0]}x{size[1]}"):
        restorer.restore(Image.new("RGB", size))


def test_a_pillow_image_and_its_array_give_the_same(past, restorer):
    assert np.array_equal(pixels_of(restorer.restore(Image.fromarray(past))), pixels_of(restorer.restore(past)))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((8, 8), np.float32),
        np.zeros((8, 8, 3), np.float64),
        np.zeros((8, 8), np.int16),
        np.zeros((8, 8), bool),
        np.zeros((8, 8, 3), np.uint32),
        np.zeros((8, 8), ">u2"),
        np.zeros(8, np.uint8),
        np.zeros((8, 8, 2), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((3, 8, 8), np.uint8),
        np.zeros((1, 8, 8, 3), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
        np.zeros((8, 0), np.uint8),
    ],
    ids=lambda array: f"{array.dtype.str}-{'x'.join(map(str, array.shape))}",
)
def test_other_arrays_are_refused_by_type_and_shape(array, restorer):
    with pytest.raises(UsageError) as caught:
        restorer.restore(array)
    assert str(array.dtype) in str(caught.value)
    assert str(array.shape[:2])[1:-1].rstrip(",") in str(caught.value)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", NotAnImageError),
        (b"no picture at all", NotAnImageError),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), NotAnImageError),
        (b"\xff\xd8", BrokenImageError),
        (b"\xff\xd8\xff\xe0\x00", BrokenImageError),
    ],
)
def test_what_is_no_jpeg_is_refused(content, kind, restorer, tmp_path):
    (tmp_path / "x.jpg").write_bytes(content)
    for source in (content, tmp_path / "x.jpg"):
        with pytest.raises(kind):
            restorer.restore(source)


@pytest.mark.parametrize("name", ["absent.jpg", "absent/photo.jpg", "."])
def test_what_cannot_be_opened_is_an_input_error(name, restorer, tmp_path):
    with pytest.raises(InputError):
        restorer.restore(tmp_path / name)


def test_a_file_cut_short_is_restored_as_far_as_it_goes(content, restorer, tmp_path):
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) * 2 // 3])
    done = restorer.restore_file(tmp_path / "cut.jpg", tmp_path / "cut.png")
    assert any("cut short" in note for note in done.notes)
    upper = slice(0, 16)  # farther from the damage than a network sees
    whole = pixels_of(restorer.restore(content))[upper].astype(int)
    assert np.abs(pixels_of(Image.open(tmp_path / "cut.png"))[upper] - whole).max() <= 1


def test_larger_pictures_than_allowed_are_refused(path, content):
    small = Restorer(CPU, max_pixels=151 * 207 - 1)
    for attempt in (lambda: small.restore(path), lambda: small.restore(content)):
        with pytest.raises(UnsupportedError, match="207x151"):
            attempt()
    assert Restorer(CPU, max_pixels=151 * 207).restore(path).size == (207, 151)


# Pictures that are no JPEGs, though some were once.

NO_TRACE = "no trace of JPEG compression"


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_every_file_of_the_same_pixels_gives_the_same(kind, past, restorer, tmp_path):
    expected = pixels_of(restorer.restore(past))
    options = {"lossless": True} if kind == "WEBP" else {}
    Image.fromarray(past).save(tmp_path / "past", kind, **options)
    for source in (tmp_path / "past", (tmp_path / "past").read_bytes(), Image.fromarray(past)):
        assert np.array_equal(pixels_of(restorer.restore(source)), expected)
    assert not np.array_equal(expected, past)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_png_with_a_past_gains(mode, past, photo, restorer, decibels, tmp_path):
    before, truth = Image.fromarray(past).convert(mode), Image.fromarray(photo[5:, 3:]).convert(mode)
    before.save(tmp_path / "in.png")
    done = restorer.restore_file(tmp_path / "in.png", tmp_path / "out.png")
    assert done.notes == ()
    with Image.open(tmp_path / "out.png") as restored:
        assert (restored.mode, restored.size) == (mode, (204, 146))
        assert decibels(restored, truth) > decibels(before, truth) + 0.4


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "I;16"])
def test_a_clean_png_stays_as_it_is_with_a_note(mode, photo, gray_photo, restorer, tmp_path):
    image = (
        Image.fromarray(gray_photo.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(photo).convert(mode)
    )
    image.save(tmp_path / "in.png")
    bits = 16 if mode == "I;16" else 8
    done = restorer.restore_file(tmp_path / "in.png", tmp_path / "out.png", WriteOptions("png", bits))
    assert [NO_TRACE in note for note in done.notes] == [True]
    with Image.open(tmp_path / "out.png") as same:
        assert same.mode == mode
        assert np.array_equal(np.asarray(same), np.asarray(image))
    encoded, again = restorer.restore_bytes((tmp_path / "in.png").read_bytes(), WriteOptions("png", bits))
    assert (encoded, again.notes) == ((tmp_path / "out.png").read_bytes(), done.notes)


def test_a_quality_restores_pixels_that_show_nothing(photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "in.png")
    done = Restorer(CPU, RestoreOptions(quality=30)).restore_file(tmp_path / "in.png", tmp_path / "out.png")
    assert done.notes == ()
    with Image.open(tmp_path / "out.png") as image:
        assert not np.array_equal(np.asarray(image), photo)


def test_transparency_of_a_file_is_kept(past, restorer, tmp_path):
    alpha = np.random.default_rng(5).integers(0, 256, past.shape[:2], np.uint8)
    Image.fromarray(np.dstack((past, alpha))).save(tmp_path / "in.png")
    for name, notes in (("out.png", 0), ("out.tif", 0), ("out.webp", 0), ("out.jpg", 1)):
        done = restorer.restore_file(tmp_path / "in.png", tmp_path / name)
        assert len(done.notes) == notes
        with Image.open(tmp_path / name) as image:
            if notes:
                assert "transparency" in done.notes[0]
                assert image.mode == "RGB"
                continue
            restored = np.asarray(image)
        assert np.array_equal(restored[..., 3], alpha)
        assert np.array_equal(restored[..., :3], pixels_of(restorer.restore(past)))


def test_a_palette_of_a_past_is_restored_in_color(shifted, gray_photo, restorer, tmp_path):
    gray = shifted(gray_photo, 12)
    Image.fromarray(gray).convert("P").save(tmp_path / "in.png")
    restored, expected = (pixels_of(restorer.restore(p)) for p in (tmp_path / "in.png", np.stack((gray,) * 3, 2)))
    assert np.array_equal(restored, expected)
    assert np.abs(restored[..., 1].astype(int) - gray).mean() > 1


def test_metadata_of_a_png_comes_along(photo, restorer, tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photo).save(tmp_path / "in.png", icc_profile=profile, exif=exif)
    restorer.restore_file(tmp_path / "in.png", tmp_path / "out.jpg")
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.info["icc_profile"] == profile
        assert image.getexif()[0x0112] == 6
        assert image.size == (207, 151)


def test_notes_of_the_input_come_before_those_of_the_output(photo, restorer, tmp_path):
    import tifffile

    tifffile.imwrite(tmp_path / "in.tif", np.dstack((photo, photo[..., 0])).astype(np.uint16) * 257, photometric="rgb",
                     extrasamples=["unassalpha"])  # fmt: skip
    done = restorer.restore_file(tmp_path / "in.tif", tmp_path / "out.jpg")
    words = ("8 of their 16 bits", NO_TRACE, "transparency")
    assert [word in note for word, note in zip(words, done.notes, strict=True)] == [True] * 3


@pytest.mark.parametrize(
    ("mode", "kind", "options", "error"),
    [
        ("CMYK", "TIFF", {}, UnsupportedError),
        ("RGB", "GIF", {}, NotAnImageError),
        ("RGB", "GIF", {"save_all": True}, NotAnImageError),
        ("RGB", "WEBP", {"save_all": True}, UnsupportedError),
        ("RGB", "PNG", {"save_all": True}, UnsupportedError),
    ],
)
def test_other_pictures_are_refused(mode, kind, options, error, photo, restorer, tmp_path):
    image = Image.fromarray(photo).convert(mode)
    if options:
        options = options | {"append_images": [image.rotate(90)]}
    image.save(tmp_path / "in.png", kind, **options)
    with pytest.raises(error):
        restorer.restore_file(tmp_path / "in.png", tmp_path / "out.png")
    assert [p.name for p in tmp_path.iterdir()] == ["in.png"]


def test_a_png_cut_short_is_refused(photo, restorer, tmp_path):
    Image.fromarray(photo).save(tmp_path / "in.png")
    content = (tmp_path / "in.png").read_bytes()
    with pytest.raises(BrokenImageError, match="damaged"):
        restorer.restore(content[: len(content) // 2])


def test_larger_pngs_than_allowed_are_refused(photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "in.png")
    with pytest.raises(UnsupportedError, match="207x151"):
        Restorer(CPU, max_pixels=151 * 207 - 1).restore(tmp_path / "in.png")


@pytest.mark.parametrize("size", [(1, 1), (7, 7), (1, 300), (8, 8)])
def test_small_files_are_restored(size, encode, restorer):
    # No side has a block of its own: nothing to search, and no reason to fail.
    pixels = np.random.default_rng(6).integers(0, 256, (*size, 3), np.uint8)
    assert restorer.restore(encode(pixels, 50)).size == size[::-1]
    assert np.array_equal(pixels_of(restorer.restore(pixels)), pixels)


# What it returns.


@pytest.mark.parametrize(
    ("kind", "mode"), [("4:2:0", "RGB"), ("gray", "L"), ("RGB", "RGB"), ("CMYK", "CMYK"), ("YCCK", "CMYK")]
)
def test_modes_follow_the_file(kind, mode, jpegs, restorer):
    image = restorer.restore(jpegs[kind])
    assert (image.mode, image.size) == (mode, (207, 151))


def test_metadata_comes_along(photo, encode, restorer):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    packet = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    content = encode(photo, icc_profile=profile, exif=exif, xmp=packet, dpi=(300, 150))
    info = restorer.restore(content).info
    assert info["icc_profile"] == profile
    assert info["xmp"] == packet
    assert info["dpi"] == (300, 150)
    told = Image.Exif()
    told.load(info["exif"])
    assert (told[0x0112], told[0x010E]) == (6, "a description")


def test_metadata_of_a_pillow_image_comes_along(photo, restorer):
    image = Image.fromarray(photo)
    image.info.update(icc_profile=b"a profile", dpi=(72, 72))
    assert restorer.restore(image).info == {"icc_profile": b"a profile", "dpi": (72.0, 72.0)}


def test_without_metadata_there_is_none(restorer, photo):
    assert restorer.restore(photo).info == {}


def test_bits_of_the_options_do_not_change_images(content, restorer):
    sixteen = Restorer(CPU, RestoreOptions(bits=16))
    assert np.array_equal(pixels_of(sixteen.restore(content)), pixels_of(restorer.restore(content)))


def test_options_reach_the_picture(content, photo):
    plain = pixels_of(Image.open(io.BytesIO(content))).astype(int)
    none = pixels_of(Restorer(CPU, RestoreOptions(strength=0)).restore(content))
    half = pixels_of(Restorer(CPU, RestoreOptions(strength=0.5)).restore(content)).astype(int)
    full = pixels_of(Restorer(CPU).restore(content)).astype(int)
    assert np.abs(none - plain).max() <= 3
    # Each of the three is rounded, which makes up to 2, and clipped, which makes more but seldom.
    assert np.mean(np.abs(2 * half - full - none) <= 2) > 0.99
    assert np.abs(half - none).mean() > 0.2
    free = pixels_of(Restorer(CPU, RestoreOptions(project=False)).restore(content))
    assert not np.array_equal(free, full)


# What it is for.


@pytest.mark.parametrize("quality", [10, 20, 30, 50])
@pytest.mark.parametrize("name", ["astronaut", "coffee", "camera", "chelsea", "rocket"])
def test_photos_gain(name, quality, restorer, decibels):
    pixels = getattr(data, name)()[64:320, 128:384]
    pixels = np.ascontiguousarray(pixels if pixels.ndim == 3 else np.stack((pixels,) * 3, 2))
    content = clean.compress(pixels, quality=quality)
    assert decibels(restorer.restore(content), pixels) > decibels(clean.decode(content), pixels) + 0.4


@pytest.mark.parametrize("quality", [10, 30, 50])
def test_gray_photos_gain(quality, gray_photo, encode, restorer, decibels):
    content = encode(gray_photo, quality, mode="L")
    plain = Image.open(io.BytesIO(content))
    assert decibels(restorer.restore(content), gray_photo) > decibels(plain, gray_photo) + 0.4


@pytest.mark.parametrize("quality", [15, 40])
def test_pixels_without_their_file_gain_too(quality, photo, encode, restorer, decibels):
    plain = Image.open(io.BytesIO(encode(photo, quality))).convert("RGB")
    assert decibels(restorer.restore(plain), photo) > decibels(plain, photo) + 0.4


@pytest.mark.parametrize("quality", [95, 100])
def test_fine_files_lose_nothing(quality, photo, encode, restorer, decibels):
    content = encode(photo, quality, subsampling=0)
    plain = Image.open(io.BytesIO(content))
    assert decibels(restorer.restore(content), photo) > decibels(plain, photo)


# Threads.


def test_threads_may_share_a_restorer(jpegs, restorer):
    paths = [jpegs[kind] for kind in ("4:2:0", "gray", "CMYK", "4:4:4")] * 2
    expected = [pixels_of(restorer.restore(path)) for path in paths]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda path: pixels_of(restorer.restore(path)), paths))
    for got, alone in zip(results, expected, strict=True):
        assert np.array_equal(got, alone)


# Into files and bytes.


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_files_hold_what_images_hold(suffix, path, restorer, tmp_path):
    done = restorer.restore_file(path, tmp_path / f"out{suffix}")
    assert (done.width, done.height, done.notes) == (207, 151, ())
    with Image.open(tmp_path / f"out{suffix}") as image:
        assert np.array_equal(pixels_of(image), pixels_of(restorer.restore(path)))


def test_bytes_are_the_file(path, content, restorer, tmp_path):
    restorer.restore_file(path, tmp_path / "out.png")
    encoded, done = restorer.restore_bytes(content, WriteOptions("png"))
    assert encoded == (tmp_path / "out.png").read_bytes()
    assert (done.width, done.height) == (207, 151)


def test_bits_of_the_options_reach_files(path, restorer, tmp_path):
    import tifffile

    Restorer(CPU, RestoreOptions(bits=16)).restore_file(path, tmp_path / "out.tif")
    pixels = tifffile.imread(tmp_path / "out.tif")
    assert pixels.dtype == np.uint16
    assert np.abs(pixels / 257 - pixels_of(restorer.restore(path))).max() <= 0.5 + 0.5 / 257 + 1e-9


def test_an_unknown_ending_is_refused_before_any_work(path, restorer, tmp_path):
    with pytest.raises(UsageError, match=r"out\.bmp"):
        restorer.restore_file(path, tmp_path / "out.bmp")


def test_a_format_that_cannot_do_the_bits_is_refused(path, content, restorer, tmp_path):
    options = WriteOptions("webp", bits=16)
    with pytest.raises(UsageError, match="png, tiff"):
        restorer.restore_file(path, tmp_path / "out.webp", options)
    with pytest.raises(UsageError, match="png, tiff"):
        restorer.restore_bytes(content, options)
    assert not (tmp_path / "out.webp").exists()


@pytest.mark.parametrize("name", ["absent/out.png", "photo.jpg/out.png", "."])
def test_a_target_that_cannot_be_written_is_an_output_error(name, path, content, restorer, tmp_path):
    with pytest.raises(OutputError):
        restorer.restore_file(path, tmp_path / name, WriteOptions("png"))
    assert [p.name for p in tmp_path.iterdir()] == ["photo.jpg"]
    assert path.read_bytes() == content


def test_progress_of_a_file_ends_at_the_whole(path, restorer, tmp_path):
    said = []
    restorer.restore_file(path, tmp_path / "out.png", progress=said.append)
    assert said[-1] == 1


# The function for one picture, and errors at the start.


def test_restore_is_a_restorer_for_one_picture(path, content, restorer):
    expected = pixels_of(restorer.restore(path))
    assert np.array_equal(pixels_of(jpegfilter.restore(path, device="cpu", threads=1)), expected)
    assert np.array_equal(pixels_of(jpegfilter.restore(content, device="cpu", threads=1)), expected)


def test_restore_passes_its_options_on(content):
    for options in ({"strength": 0.3}, {"project": False}, {"quality": 20}, {"quality": "header"}):
        expected = Restorer(CPU, RestoreOptions(**options)).restore(content)
        got = jpegfilter.restore(content, device="cpu", threads=1, **options)
        assert np.array_equal(pixels_of(got), pixels_of(expected))


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"model": "absent"}, WeightsError),
        ({"device": "tpu"}, UsageError),
        ({"device": "cuda:4711"}, DeviceError),
        ({"strength": 2}, UsageError),
        ({"quality": 0}, UsageError),
        ({"quality": "best"}, UsageError),
    ],
)
def test_what_cannot_be_done_is_said_at_once(options, kind, content):
    with pytest.raises(kind):
        jpegfilter.restore(content, **options)


# What it costs.

MEMORY = """
import pathlib, sys, jpegfilter
image = jpegfilter.restore(sys.argv[1], device="cpu", threads=1)
assert image.size == (4000, 3000)
print(pathlib.Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""
"""VmHWM and not getrusage: a child's ru_maxrss begins at what its parent held when it forked (Linux, exec_mmap)."""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc: memory is NOT measured")
def test_twelve_megapixels_fit_in_700_megabytes(tmp_path):
    tile = data.astronaut()
    pixels = np.tile(tile, (6, 8, 1))[:3000, :4000]
    Image.fromarray(pixels).save(tmp_path / "large.jpg", quality=30)
    command = [sys.executable, "-W", "error", "-c", MEMORY, str(tmp_path / "large.jpg")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) / 1000 < 700


def test_transparency_is_kept_as_it_is(past, restorer):
    alpha = np.arange(past.shape[0] * past.shape[1], dtype=np.uint32).reshape(past.shape[:2]) % 256
    image = Image.fromarray(np.dstack((past, alpha.astype(np.uint8))))
    restored = pixels_of(restorer.restore(image))
    assert np.array_equal(restored[..., 3], alpha)
    assert np.array_equal(restored[..., :3], pixels_of(restorer.restore(past)))
