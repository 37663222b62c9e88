"""What a network is told: the file's word, a person's word, or what Pillow's encoder left in the picture."""

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

from jpegfilter.codec import read
from jpegfilter.codec.read import as_file
from jpegfilter.jpeg import tables
from jpegfilter.pipeline import told

PHOTOS = ("astronaut", "coffee", "chelsea", "rocket")
KINDS = ("4:2:0", "4:2:2", "4:4:4", "4:1:1", "4:4:0", "4:1:0", "1x3", "gray", "RGB", "CMYK", "YCCK", "progressive")
EVERY = pytest.mark.parametrize("kind", KINDS)
SIZES = [(1, 1), (9, 1), (7, 7), (8, 8), (7, 100), (300, 3)]


def part_of(name):
    """RGB, 160 rows of 136 samples."""
    return np.ascontiguousarray(getattr(data, name)()[60:220, 120:256])


def decoded(content):
    """RGB, or gray, as Pillow decodes it."""
    pixels = np.asarray(Image.open(io.BytesIO(content)))
    return pixels if pixels.ndim == 3 else pixels[..., None]


def image_of(content):
    with as_file(content) as path:
        return read.read(path).image


def cropped(pixels, top, left):
    return np.ascontiguousarray(pixels[top:, left:])


def is_told(said, quality, top=0, left=0):
    expected = [tables.ijg_table(base, quality) for base in (tables.LUMA, tables.CHROMA)]
    same = all(np.array_equal(a, b) for a, b in zip(said.tables, expected, strict=True))
    return same and (said.top, said.left, said.from_file) == (top, left, False)


def is_the_files(said, image):
    chroma = image.components[1 if len(image.components) > 1 else 0]
    same = np.array_equal(said.tables[0], image.components[0].table)
    same = same and np.array_equal(said.tables[1], chroma.table)
    return same and (said.top, said.left, said.from_file) == (0, 0, True)


# JPEGs.


@EVERY
@pytest.mark.parametrize("quality", ["auto", "header"])
def test_of_a_file_without_a_past_its_own_tables_are_told(kind, quality, jpegs):
    image = read.read(jpegs[kind]).image
    assert is_the_files(told.of_jpeg(image, quality), image)


@EVERY
@pytest.mark.parametrize("quality", [1, 50, 100, np.int64(37)])
def test_a_number_is_told_whatever_the_file_says(kind, quality, jpegs):
    assert is_told(told.of_jpeg(read.read(jpegs[kind]).image, quality), int(quality))


@pytest.mark.parametrize(("crop", "grid"), [((0, 0), (0, 0)), ((5, 3), (3, 5)), ((8, 1), (0, 7)), ((15, 15), (1, 1))])
@pytest.mark.parametrize("options", [{"subsampling": 2}, {"mode": "L"}, {"progressive": True}])
def test_a_coarser_past_and_its_grid_are_told(crop, grid, options, encode):
    first = decoded(encode(part_of("astronaut"), 10, subsampling=2))
    image = image_of(encode(cropped(first, *crop), 90, **options))
    assert is_told(told.of_jpeg(image, "auto"), 10, *grid)
    assert is_the_files(told.of_jpeg(image, "header"), image)
    assert is_told(told.of_jpeg(image, 60), 60)


@pytest.mark.parametrize("first", [15, 40, 75])
@pytest.mark.parametrize("name", PHOTOS)
def test_pasts_of_photos_are_known_by_their_quality(name, first, encode):
    image = image_of(encode(cropped(decoded(encode(part_of(name), first)), 2, 7), 98))
    past = told.jpeg_past(image)
    assert (past.top, past.left) == (6, 1)
    assert abs(past.quality - first) <= 1


@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("name", PHOTOS)
def test_a_single_compression_has_no_past(name, subsampling, encode):
    for quality in (1, 50, 95) if subsampling else (10, 75, 90):
        assert told.jpeg_past(image_of(encode(part_of(name), quality, subsampling=subsampling))) is None, quality


def test_a_single_compression_by_a_camera_has_no_past(encode):
    # Neither the IJG's tables nor multiples of them; as Photoshop's.
    for preset in ("web_low", "web_high", "medium", "maximum"):
        assert told.jpeg_past(image_of(encode(part_of("coffee"), qtables=preset))) is None, preset


@pytest.mark.parametrize(("first", "last"), [(90, 20), (75, 75), (75, 78)])
def test_a_past_that_is_no_coarser_is_not_told(first, last, encode):
    image = image_of(encode(decoded(encode(part_of("chelsea"), first, subsampling=0)), last, subsampling=0))
    assert is_the_files(told.of_jpeg(image, "auto"), image)


def test_components_without_luma_are_not_searched(encode):
    first = decoded(encode(part_of("astronaut"), 10, subsampling=0))
    for options in ({"keep_rgb": True}, {"mode": "CMYK"}):
        assert told.jpeg_past(image_of(encode(first, 95, **options))) is None
    assert told.jpeg_past(image_of(encode(first, 95))) is not None


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_small_files_have_no_past(size, mode, encode):
    noise = np.random.default_rng(3).integers(0, 256, (*size, 3), np.uint8)
    for pixels in (noise, np.full_like(noise, 200)):
        image = image_of(encode(pixels, 85, mode=mode))
        assert is_the_files(told.of_jpeg(image, "auto"), image)


def test_a_large_picture_is_searched_in_windows(encode):
    first = decoded(encode(np.tile(part_of("rocket"), (4, 5, 1))[1:], 20, subsampling=0))
    assert is_told(told.of_jpeg(image_of(encode(cropped(first, 4, 6), 93)), "auto"), 20, 4, 2)


def test_coefficients_are_not_written(encode):
    image = image_of(encode(decoded(encode(part_of("coffee"), 10)), 90))
    kept = [component.coefficients.copy() for component in image.components]
    assert told.jpeg_past(image) is not None
    assert all(np.array_equal(a.coefficients, b) for a, b in zip(image.components, kept, strict=True))


# Pixels.


@pytest.mark.parametrize(("crop", "grid"), [((0, 0), (0, 0)), ((5, 3), (3, 5)), ((1, 8), (7, 0))])
@pytest.mark.parametrize("quality", [10, 50, 85])
def test_of_pixels_the_compression_they_show_is_told(quality, crop, grid, encode):
    pixels = cropped(decoded(encode(part_of("astronaut"), quality)), *crop)
    assert is_told(told.of_pixels(pixels, "auto"), quality, *grid)


@pytest.mark.parametrize("name", PHOTOS)
def test_clean_photos_have_no_past(name):
    pixels = part_of(name)
    assert told.pixels_past(pixels) is None
    assert told.of_pixels(pixels, "auto") is None
    assert told.pixels_past(pixels[..., 1:2]) is None


def test_there_is_no_header_to_believe(encode):
    assert told.of_pixels(decoded(encode(part_of("chelsea"), 10)), "header") is None


@pytest.mark.parametrize("quality", [1, 50, 100, np.int64(37)])
def test_a_number_is_told_whatever_the_pixels_show(quality):
    assert is_told(told.of_pixels(part_of("rocket"), quality), int(quality))


def test_depth_does_not_matter(encode):
    for options in ({}, {"mode": "L"}):
        pixels = cropped(decoded(encode(part_of("coffee"), 40, **options)), 1, 2)
        eight, sixteen = (told.pixels_past(p) for p in (pixels, pixels.astype(np.uint16) * 257))
        assert (eight.quality, eight.top, eight.left) == (40, 7, 6)
        assert (sixteen.quality, sixteen.top, sixteen.left) == (40, 7, 6)
        assert sixteen.evidence == pytest.approx(eight.evidence, rel=1e-3)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_few_pixels_have_no_past(size, channels):
    noise = np.random.default_rng(4).integers(0, 256, (*size, channels), np.uint8)
    for pixels in (noise, np.full_like(noise, 200)):
        assert told.of_pixels(pixels, "auto") is None


def test_many_pixels_are_searched_in_windows(encode):
    pixels = cropped(decoded(encode(np.tile(part_of("rocket"), (4, 5, 1)), 30)), 7, 1)
    assert is_told(told.of_pixels(pixels, "auto"), 30, 1, 7)
