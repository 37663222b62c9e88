"""What is said of a file against how it was made, and against Pillow."""

import io
import json

import numpy as np
import pytest
from PIL import Image, ImageCms

from jpegfilter.errors import BrokenImageError, InputError, NotAnImageError, UnsupportedError
from jpegfilter.pipeline.inspection import inspect

KEYS = {
    *("file", "bytes", "process", "width", "height", "color", "subsampling", "quality", "standard_tables", "tables"),
    *("orientation", "dpi", "metadata", "past"),
}
SAID = {
    "4:2:0": ("baseline", "YCbCr", "4:2:0"),
    "4:2:2": ("baseline", "YCbCr", "4:2:2"),
    "4:4:4": ("baseline", "YCbCr", "4:4:4"),
    "4:1:1": ("baseline", "YCbCr", "4:1:1"),
    "4:4:0": ("baseline", "YCbCr", "4:4:0"),
    "4:1:0": ("baseline", "YCbCr", "4:1:0"),
    "1x3": ("baseline", "YCbCr", "1x3"),
    "gray": ("baseline", "gray", "none"),
    "RGB": ("baseline", "RGB", "4:4:4"),
    "CMYK": ("baseline", "CMYK", "4:4:4"),
    "YCCK": ("baseline", "YCCK", "4:2:0"),
    "progressive": ("progressive", "YCbCr", "4:2:0"),
}


@pytest.fixture
def saved(tmp_path, photo, encode):
    def save(quality=50, **options):
        path = tmp_path / "photo.jpg"
        path.write_bytes(encode(photo, quality, **options))
        return path

    return save


@pytest.mark.parametrize("kind", SAID)
def test_every_kind_is_said_what_it_is(kind, jpegs):
    said = inspect(jpegs[kind])
    assert set(said) == KEYS
    assert (said["process"], said["color"], said["subsampling"]) == SAID[kind]
    assert (said["width"], said["height"]) == (207, 151)
    assert said["bytes"] == jpegs[kind].stat().st_size
    assert said["file"] == str(jpegs[kind])
    assert json.loads(json.dumps(said, allow_nan=False))["tables"] == said["tables"]


@pytest.mark.parametrize("quality", [1, 5, 10, 37, 50, 75, 90, 95, 99, 100])
def test_quality_is_the_one_that_was_asked_for(quality, saved):
    said = inspect(saved(quality))
    assert said["quality"] == quality
    assert said["standard_tables"] is True


@pytest.mark.parametrize("quality", [15, 80])
def test_tables_are_pillows(quality, saved):
    path = saved(quality)
    with Image.open(path) as image:
        expected = {str(n): np.reshape(steps, (8, 8)).tolist() for n, steps in image.quantization.items()}
    assert inspect(path)["tables"] == expected
    assert expected["0"] != np.transpose(expected["0"]).tolist()


def test_tables_of_another_encoder_are_called_so(saved):
    flat = [[20] * 64, [30] * 64]
    said = inspect(saved(qtables=flat))
    assert said["standard_tables"] is False
    assert said["tables"] == {"0": [[20] * 8] * 8, "1": [[30] * 8] * 8}
    assert 1 <= said["quality"] <= 100


def test_metadata_is_counted_in_bytes(saved):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 8
    packet = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    said = inspect(saved(icc_profile=profile, exif=exif, xmp=packet, comment="said so", dpi=(240, 120)))
    assert said["metadata"].pop("exif") >= len(exif.tobytes())
    assert said["metadata"] == {"icc": len(profile), "xmp": len(packet), "comment": len("said so")}
    assert said["orientation"] == 8
    assert said["dpi"] == (240, 120)


def test_without_metadata_nothing_is_said_of_it(saved):
    said = inspect(saved())
    assert (said["metadata"], said["orientation"], said["dpi"]) == ({}, None, None)


def test_a_header_alone_is_said_what_it_is(saved):
    path = saved()
    whole = inspect(path)
    start = path.read_bytes().index(b"\xff\xda") + 20
    path.write_bytes(path.read_bytes()[:start])
    assert inspect(path) == whole | {"bytes": start}


# Pasts.


def test_a_single_compression_has_no_past(jpegs):
    assert [kind for kind, path in jpegs.items() if inspect(path)["past"] is not None] == []


def test_a_past_is_said_with_its_grid(tmp_path, photo, encode):
    first = Image.open(io.BytesIO(encode(photo, 10)))
    first.crop((5, 13, *first.size)).save(tmp_path / "twice.jpg", quality=90)
    said = inspect(tmp_path / "twice.jpg")
    # The first whole block begins 8 - 5 = 3 columns, and 16 - 13 = 3 rows, from the edges.
    assert said["past"] == {"quality": 10, "top": 3, "left": 3}
    assert (said["quality"], said["standard_tables"], said["process"]) == (90, True, "baseline")
    assert json.loads(json.dumps(said, allow_nan=False))["past"] == said["past"]


@pytest.mark.parametrize(
    ("mode", "color"), [("RGB", "RGB"), ("L", "gray"), ("RGBA", "RGB"), ("LA", "gray"), ("P", "RGB")]
)
def test_other_pictures_are_said_what_they_are(mode, color, tmp_path, photo):
    path = tmp_path / "picture.jpg"  # a name says nothing
    Image.fromarray(photo).convert(mode).save(path, "PNG")
    said = inspect(path)
    assert said == {
        **{"file": str(path), "bytes": path.stat().st_size, "process": None},
        **{"width": 207, "height": 151, "color": color, "past": None},
    }


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "bmp", "ppm"])
def test_other_pictures_are_said_their_past(suffix, tmp_path, photo, encode):
    first = Image.open(io.BytesIO(encode(photo, 25)))
    options = {"lossless": True} if suffix == "webp" else {}
    first.crop((3, 5, *first.size)).save(tmp_path / f"past.{suffix}", **options)
    assert inspect(tmp_path / f"past.{suffix}")["past"] == {"quality": 25, "top": 3, "left": 5}


def test_other_pictures_are_refused_as_jpegs_are(tmp_path, photo):
    path = tmp_path / "picture.png"
    Image.fromarray(photo).save(path)
    with pytest.raises(UnsupportedError, match="207x151"):
        inspect(path, max_pixels=207 * 151 - 1)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BrokenImageError):
        inspect(path)
    Image.fromarray(photo).convert("CMYK").save(path, "TIFF")
    with pytest.raises(UnsupportedError, match="CMYK"):
        inspect(path)


@pytest.mark.parametrize("size", [(1, 1), (7, 7), (8, 8), (3, 300)])
def test_small_pictures_are_said_what_they_are(size, tmp_path, encode):
    noise = np.random.default_rng(7).integers(0, 256, (*size, 3), np.uint8)
    (tmp_path / "small.jpg").write_bytes(encode(noise, 80))
    Image.fromarray(noise).save(tmp_path / "small.png")
    for name in ("small.jpg", "small.png"):
        said = inspect(tmp_path / name)
        assert (said["height"], said["width"], said["past"]) == (*size, None)


# Failures.


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", NotAnImageError),
        (b"some text", NotAnImageError),
        (b"\xff\xd8\xff\xd9", BrokenImageError),
        (b"\xff\xd8\xff\xdb\x00\x43", BrokenImageError),
    ],
)
def test_what_is_no_jpeg_is_refused(content, kind, tmp_path):
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(kind):
        inspect(tmp_path / "x.jpg")


def test_what_cannot_be_opened_is_an_input_error(tmp_path):
    for path in (tmp_path / "absent.jpg", tmp_path):
        with pytest.raises(InputError):
            inspect(path)


def test_larger_pictures_than_allowed_are_refused(saved):
    path = saved()
    with pytest.raises(UnsupportedError, match="207x151"):
        inspect(path, max_pixels=207 * 151 - 1)
    assert inspect(path, max_pixels=207 * 151)["width"] == 207
