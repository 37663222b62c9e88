"""Pictures that are no JPEGs: every kind of file against what went into it, and what is refused."""

import io
import os
import warnings
import zlib

import numpy as np
import png
import pytest
import tifffile
from PIL import Image

from jpegfilter.codec import raster
from jpegfilter.codec.metadata import of_image
from jpegfilter.errors import BrokenImageError, InputError, NotAnImageError, UnsupportedError

HALVED = "8 of their 16 bits"


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_of(pixels, **options):
    """Of 16 bits, which Pillow cannot write in color."""
    height, width = pixels.shape[:2]
    file = io.BytesIO()
    writer = png.Writer(
        width, height, greyscale=pixels.shape[2] < 3, alpha=pixels.shape[2] % 2 == 0, bitdepth=16, **options
    )
    writer.write(file, pixels.reshape(height, -1).tolist())
    return file.getvalue()


def tiff_of(pixels, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


@pytest.fixture
def put(tmp_path):
    def write(content):
        path = tmp_path / "picture"
        path.write_bytes(content)
        return path

    return write


@pytest.fixture(scope="module")
def image(photo):
    return Image.fromarray(photo)


@pytest.fixture(scope="module")
def gray(image):
    """`(41, 49, 1)`, 8 bits."""
    return np.asarray(image.convert("L"))[..., None]


@pytest.fixture(scope="module")
def alpha():
    return np.random.default_rng(8).integers(0, 256, (41, 49), np.uint8)


# What is known by its first bytes.


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "TIFF", "PPM"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_every_kind_gives_its_pixels(kind, mode, put, image):
    options = {"lossless": True} if kind == "WEBP" else {}
    path = put(saved(image.convert(mode), kind, **options))
    expected = np.asarray(image.convert(mode)).reshape(41, 49, -1)
    if kind == "WEBP":
        expected = np.broadcast_to(expected, (41, 49, 3))  # WebP has no gray
    assert raster.is_raster(path)
    read = raster.read(path)
    assert (read.pixels.shape, read.pixels.dtype) == (expected.shape, np.uint8)
    assert np.array_equal(read.pixels, expected)
    assert (read.alpha, read.complaints) == (None, ())


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "AVIF", "ICO"])
def test_other_kinds_are_not_meant(kind, put, image):
    assert not raster.is_raster(put(saved(image, kind)))


@pytest.mark.parametrize("content", [b"", b"P", b"some text", b"\x89PNG", bytes(100)])
def test_a_text_is_not_meant(content, put):
    assert not raster.is_raster(put(content))


def test_what_cannot_be_opened_is_not_meant(tmp_path):
    assert not raster.is_raster(tmp_path)
    assert not raster.is_raster(tmp_path / "absent.png")


# Modes.


@pytest.mark.parametrize("colors", [2, 16, 256])
@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_a_palette_becomes_its_colors(kind, colors, put, image):
    few = image.quantize(colors)
    read = raster.read(put(saved(few, kind)))
    assert np.array_equal(read.pixels, np.asarray(few.convert("RGB")))
    assert read.alpha is None


def test_black_and_white_become_gray(put, image):
    read = raster.read(put(saved(image.convert("1"), "PNG")))
    assert read.pixels.shape == (41, 49, 1)
    assert np.array_equal(read.pixels[..., 0], np.asarray(image.convert("1")) * np.uint8(255))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_kept_beside_the_colors(kind, mode, put, image, alpha):
    picture = image.convert("RGB" if mode == "RGBA" else "L")
    picture.putalpha(Image.fromarray(alpha))
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    read = raster.read(put(saved(picture, kind, **options)))
    assert picture.mode == mode
    assert np.array_equal(read.alpha, alpha)
    expected = np.asarray(image.convert("RGB" if mode == "RGBA" or kind == "WEBP" else "L")).reshape(41, 49, -1)
    if mode == "LA" and kind == "WEBP":
        expected = np.stack((np.asarray(image.convert("L")),) * 3, 2)
    assert np.array_equal(read.pixels, expected)


def test_a_color_that_is_transparent_becomes_opacity(put, image, gray):
    few = image.quantize(8)
    for content, expected in (
        (saved(few, "PNG", transparency=3), np.asarray(few) != 3),
        (saved(image.convert("L"), "PNG", transparency=int(gray[0, 0, 0])), gray[..., 0] != gray[0, 0, 0]),
        (png_of(gray.astype(np.uint16) * 257, transparent=(int(gray[0, 0, 0]) * 257,)), None),
    ):
        read = raster.read(put(content))
        assert read.alpha.dtype == np.uint8
        assert set(np.unique(read.alpha)) <= {0, 255}
        if expected is not None:
            assert not expected.all()
            assert np.array_equal(read.alpha == 255, expected)


@pytest.mark.parametrize("content", ["png", "tiff", "tiff, packed"])
def test_gray_of_16_bits_keeps_every_level(content, put):
    levels = np.random.default_rng(9).integers(0, 65536, (41, 49), np.uint16)
    contents = {
        "png": png_of(levels[..., None]),
        "tiff": tiff_of(levels),
        "tiff, packed": saved(Image.fromarray(levels), "TIFF", compression="tiff_deflate"),
    }
    read = raster.read(put(contents[content]))
    assert (read.pixels.shape, read.pixels.dtype, read.complaints) == ((41, 49, 1), np.uint16, ())
    assert np.array_equal(read.pixels[..., 0], levels)


@pytest.mark.parametrize("content", ["png", "png with opacity", "tiff", "tiff, most significant first", "tiff, packed"])
def test_colors_of_16_bits_are_halved_with_a_complaint(content, put, photo, alpha):
    pixels = photo.astype(np.uint16) * 257
    contents = {
        "png": png_of(pixels),
        "png with opacity": png_of(np.dstack((pixels, alpha.astype(np.uint16) * 257))),
        "tiff": tiff_of(pixels, photometric="rgb"),
        "tiff, most significant first": tiff_of(pixels, photometric="rgb", byteorder=">"),
        "tiff, packed": tiff_of(pixels, photometric="rgb", compression="zlib"),
    }
    read = raster.read(put(contents[content]))
    assert np.array_equal(read.pixels, photo)
    (line,) = read.complaints
    assert HALVED in line
    assert content != "png with opacity" or np.array_equal(read.alpha, alpha)


@pytest.mark.parametrize("mode", ["CMYK", "LAB", "I", "F"])
def test_a_tiff_of_other_colors_is_refused_by_its_mode(mode, put, image):
    with pytest.raises(UnsupportedError, match=rf"mode {mode}\b"):
        raster.read(put(saved(image.convert(mode), "TIFF")))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "YCbCr"])
def test_an_opaque_image_of_pillows_is_taken(mode, image):
    taken = raster.of_pillow(image.convert(mode))
    assert taken.pixels.shape == (41, 49, 1 if mode in ("1", "L") else 3)
    assert taken.alpha is None


@pytest.mark.parametrize("mode", ["CMYK", "HSV", "LAB", "I", "F"])
def test_an_image_of_other_colors_is_refused_by_its_mode(mode, image):
    with pytest.raises(UnsupportedError, match=rf"mode {mode}\b"):
        raster.of_pillow(image.convert(mode))


def test_an_image_of_pillows_is_not_shared(image):
    taken = raster.of_pillow(image)
    taken.pixels[:] = 0
    assert np.asarray(image).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 7), (8, 8)], ids=str)
def test_small_pictures_are_read(size, put):
    pixels = np.random.default_rng(10).integers(0, 256, (*size, 3), np.uint8)
    assert np.array_equal(raster.read(put(saved(Image.fromarray(pixels), "PNG"))).pixels, pixels)


# Metadata.


def test_metadata_is_what_pillow_finds(put, image, metadata):
    exif = Image.Exif()
    exif.load(metadata.exif)
    content = saved(image, "PNG", icc_profile=metadata.icc, exif=exif, dpi=(300, 300))
    read = raster.read(put(content))
    assert read.metadata == of_image(Image.open(io.BytesIO(content)))
    assert (read.metadata.icc, read.metadata.orientation) == (metadata.icc, 6)
    assert np.allclose(read.metadata.dpi, 300, rtol=0, atol=0.01)
    # Turned by whoever shows it.
    assert read.pixels.shape == (41, 49, 3)


def test_a_turned_tiff_is_turned_once(put, image, photo):
    exif = Image.Exif()
    exif[0x0112] = 6
    read = raster.read(put(saved(image, "TIFF", exif=exif)))
    turned = np.array_equal(read.pixels, np.rot90(photo, -1))
    assert turned == (read.metadata.orientation is None)
    assert turned or np.array_equal(read.pixels, photo)


# What is refused.


@pytest.mark.parametrize("kind", ["WEBP", "PNG", "TIFF"])
def test_several_pictures_in_a_file_are_refused(kind, put, image):
    content = saved(image, kind, save_all=True, append_images=[image.rotate(90), image.rotate(180)])
    with pytest.raises(UnsupportedError, match=r"a single picture, got [23]"):
        raster.read(put(content))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "TIFF", "PPM"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_file_cut_short_is_refused(kind, share, put, image):
    content = saved(image, kind)
    with pytest.raises((BrokenImageError, NotAnImageError)) as caught:
        raster.read(put(content[: int(share * len(content))]))
    assert "\n" not in str(caught.value)


def test_a_png_without_its_end_is_broken_and_said_to_be(put, image):
    content = saved(image, "PNG")
    with pytest.raises(BrokenImageError, match="damaged"):
        raster.read(put(content[: len(content) // 2]))


@pytest.mark.parametrize("start", [b"\x89PNG\r\n\x1a\n", b"RIFF", b"II*\0", b"MM\0*", b"BM", b"P5", b"P6 "])
@pytest.mark.parametrize("rest", [b"", bytes(100), b" is how this text begins\n" * 8])
def test_a_file_that_only_begins_like_a_picture_is_refused(start, rest, put):
    path = put(start + rest)
    assert raster.is_raster(path)
    with pytest.raises((BrokenImageError, NotAnImageError)):
        raster.read(path)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_no_damage_is_more_than_an_error_of_ours(kind, put, image, capfd):
    random = np.random.default_rng(11)
    whole = saved(image.resize((12, 10)), kind)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(150):
            content = bytearray(whole)
            for at in random.integers(2, len(content), 2):
                content[at] = random.integers(256)
            at = random.integers(2, min(len(content), 60))
            content[at if kind != "TIFF" else -at] = random.integers(256)
            path = put(bytes(content))
            if raster.is_raster(path):
                try:
                    assert raster.read(path, max_pixels=10**6).pixels.ndim == 3
                except InputError as error:
                    assert "\n" not in str(error)
    assert said == []
    assert capfd.readouterr().out == ""


def test_larger_pictures_than_allowed_are_refused(put, image):
    path = put(saved(image, "PNG"))
    with pytest.raises(UnsupportedError, match="49x41"):
        raster.read(path, max_pixels=41 * 49 - 1)
    assert raster.read(path, max_pixels=41 * 49).pixels.shape == (41, 49, 3)


def huge(side):
    """A PNG that claims to be of this side and is not."""
    content = saved(Image.new("L", (1, 1)), "PNG")
    header = b"IHDR" + side.to_bytes(4, "big") * 2 + content[24:29]
    return content[:12] + header + zlib.crc32(header).to_bytes(4, "big") + content[33:]


@pytest.mark.parametrize("side", [9_600, 13_500, 19_000, 30_000])
def test_a_claim_to_be_huge_is_refused_without_warning(side, put):
    # Pillow warns from 89 megapixels on and refuses from 179.
    path = put(huge(side))
    with pytest.raises(UnsupportedError):
        raster.read(path, max_pixels=10**6)


def test_what_cannot_be_opened_is_an_input_error(tmp_path, put, image):
    with pytest.raises(InputError, match="No such file"):
        raster.read(tmp_path / "absent.png")
    with pytest.raises(InputError):
        raster.read(tmp_path)
    path = put(saved(image, "PNG"))
    if os.name == "posix" and os.geteuid() != 0:
        path.chmod(0)
        with pytest.raises(InputError):
            raster.read(path)
