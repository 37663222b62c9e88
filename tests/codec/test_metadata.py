"""What a file says beside its pixels."""

import io

import pytest
from PIL import Image

from jpegfilter.codec.metadata import Metadata, of_image, profile_file, save_options


def with_orientation(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0")


@pytest.mark.parametrize("value", range(1, 9))
def test_orientation_is_read(value):
    assert Metadata(exif=with_orientation(value)).orientation == value


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_impossible_orientation_is_none(value):
    assert Metadata(exif=with_orientation(value)).orientation is None


def test_no_exif_has_no_orientation():
    assert Metadata().orientation is None
    assert Metadata(exif=b"Exif\0\0" + Image.Exif().tobytes().removeprefix(b"Exif\0\0")).orientation is None


def test_damaged_exif_has_no_orientation(damaged_exif):
    assert Metadata(exif=damaged_exif).orientation is None


def test_profile_alone_is_dropped(metadata):
    without = metadata.without_profile()
    assert without.icc is None
    assert (without.exif, without.xmp, without.dpi, without.comment) == (
        metadata.exif, metadata.xmp, metadata.dpi, metadata.comment,
    )  # fmt: skip


def test_what_pillow_writes_it_finds_again(photo, metadata):
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "JPEG", **save_options(metadata, "JPEG"))
    with Image.open(file) as image:
        assert of_image(image) == metadata


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "AVIF", "JPEG"])
def test_nothing_to_say_needs_no_options(kind):
    options = save_options(Metadata(), kind)
    assert set(options) <= {"pnginfo"}


def test_plain_file_has_nothing_but_what_it_states(encoded):
    with Image.open(io.BytesIO(encoded())) as image:
        assert of_image(image) == Metadata()


def test_resolution_of_zero_is_none(photo):
    image = Image.fromarray(photo)
    image.info["dpi"] = (0, 72)
    assert of_image(image).dpi is None


def test_profile_is_lent_as_a_file(metadata):
    assert profile_file(metadata).read() == metadata.icc
    assert profile_file(Metadata()) is None
