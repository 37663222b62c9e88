"""Writing: pixels and metadata survive as far as a format can hold them, and a file is written whole or not at all."""

import io
import os
import warnings
from pathlib import Path

import numpy as np
import png
import pytest
import tifffile
from PIL import Image

from jpegfilter.codec import write
from jpegfilter.codec.canvas import Canvas
from jpegfilter.codec.metadata import Metadata, of_image
from jpegfilter.codec.write import FORMATS, WriteOptions
from jpegfilter.errors import OutputError, UsageError

EVERY = pytest.mark.parametrize("name", FORMATS)
PARTS = {
    "png": {"icc", "exif", "xmp", "dpi", "comment"},
    "tiff": {"icc", "xmp", "dpi"},
    "webp": {"icc", "exif", "xmp"},
    "avif": {"icc", "exif", "xmp"},
    "jpeg": {"icc", "exif", "xmp", "dpi", "comment"},
}
"""What is found again byte for byte; EXIF is rewritten in TIFF, where it is the file's own directory."""


def canvas_of(pixels):
    height, width, channels = pixels.shape
    canvas = Canvas(width, height, channels=channels, bits=8 * pixels.itemsize)
    canvas.paste(pixels, top=0, left=0)
    return canvas


def noise(channels, bits=8, height=24, width=17):
    return np.random.default_rng(2).integers(0, 2**bits, (height, width, channels), f"u{bits // 8}")


def encode(pixels, metadata=None, **options):
    """Return the file, and what could not be kept."""
    return write.to_bytes(canvas_of(pixels), metadata or Metadata(), WriteOptions(**options))


def opened(content):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow's, about EXIF data that this test damaged
        image = Image.open(io.BytesIO(content))
        image.load()
    return image


# Pixels


@pytest.mark.parametrize("name", ["png", "tiff", "webp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_formats_keep_every_pixel(name, channels):
    pixels = noise(channels)
    content, lost = encode(pixels, format=name)
    found = np.asarray(opened(content))
    assert lost == []
    expected = np.broadcast_to(pixels, (24, 17, 3)) if name == "webp" else pixels  # WebP has no gray
    assert np.array_equal(found.reshape(expected.shape), expected)


@pytest.mark.parametrize("name", ["avif", "jpeg"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossy_formats_come_close(name, channels, photo):
    pixels = photo[..., :channels]
    content, _ = encode(pixels, format=name)
    image = opened(content)
    found = np.asarray(image if channels == 3 else image.convert("L"), np.float64).reshape(pixels.shape)
    assert np.sqrt(np.square(found - pixels).mean()) < 3


@pytest.mark.parametrize("name", ["avif", "jpeg", "webp"])
def test_quality_is_followed(name, photo):
    sizes = [len(encode(photo, format=name, quality=quality)[0]) for quality in (10, 50, 90)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2] / 2


def test_lossy_chroma_is_not_subsampled(photo):
    assert [layer[1:3] for layer in opened(encode(photo, format="jpeg")[0]).layer] == [(1, 1)] * 3


def test_jpeg_without_a_quality_is_written_at_95(photo):
    expected = io.BytesIO()
    Image.fromarray(photo).save(expected, "JPEG", quality=95)
    assert opened(encode(photo, format="jpeg")[0]).quantization == opened(expected.getvalue()).quantization


def test_png_of_16_bits_keeps_every_level():
    pixels = noise(3, 16)
    content, lost = encode(pixels, format="png", bits=16)
    width, height, rows, info = png.Reader(bytes=content).asDirect()
    assert (width, height, info["bitdepth"], info["planes"], lost) == (17, 24, 16, 3, [])
    assert np.array_equal(np.array([list(row) for row in rows]).reshape(24, 17, 3), pixels)


def test_tiff_of_16_bits_keeps_every_level():
    pixels = noise(3, 16)
    content, lost = encode(pixels, format="tiff", bits=16)
    assert lost == []
    assert np.array_equal(tifffile.imread(io.BytesIO(content)), pixels)


@pytest.mark.parametrize("name", ["png", "tiff"])
def test_gray_of_16_bits_keeps_every_level(name):
    pixels = noise(1, 16)
    content, _ = encode(pixels, format=name, bits=16)
    image = opened(content)
    assert image.mode == "I;16"
    assert np.array_equal(np.asarray(image)[..., None], pixels)
    if name == "png":
        *_, rows, info = png.Reader(bytes=content).read()
        assert (info["bitdepth"], info["greyscale"]) == (16, True)
        assert np.array_equal(np.array([list(row) for row in rows])[..., None], pixels)
    else:
        assert np.array_equal(tifffile.imread(io.BytesIO(content))[..., None], pixels)


@pytest.mark.parametrize("pixels", [noise(3, height=1, width=1), noise(1, height=1, width=1)], ids=["RGB", "gray"])
@EVERY
def test_single_pixels_are_written(name, pixels):
    assert opened(encode(pixels, format=name)[0]).size == (1, 1)


# Transparency


def transparent(channels, bits=8):
    canvas = canvas_of(noise(channels, bits))
    canvas.alpha = noise(1)[::-1, :, 0].copy()
    return canvas


@pytest.mark.parametrize("name", ["png", "tiff", "webp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_transparency_is_kept_sample_by_sample(name, channels):
    content, lost = write.to_bytes(transparent(channels), Metadata(), WriteOptions(format=name))
    image = opened(content)
    assert image.mode == ("LA" if channels == 1 and name != "webp" else "RGBA")
    assert lost == []
    assert np.array_equal(np.asarray(image.getchannel("A")), noise(1)[::-1, :, 0])
    # What is transparent keeps its color, too.
    assert np.array_equal(np.asarray(image.convert("RGBA"))[..., :3], np.broadcast_to(noise(channels), (24, 17, 3)))


@pytest.mark.parametrize("channels", [1, 3])
def test_transparency_is_kept_by_avif(channels):
    content, lost = write.to_bytes(transparent(channels), Metadata(), WriteOptions(format="avif", quality=100))
    assert lost == []
    away = np.asarray(opened(content).getchannel("A"), int) - noise(1)[::-1, :, 0]
    assert np.abs(away).max() <= 2


@pytest.mark.parametrize(
    ("name", "bits", "where"), [("jpeg", 8, "JPEG"), ("png", 16, "16-bit"), ("tiff", 16, "16-bit")]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_transparency_is_lost_with_a_note_elsewhere(name, bits, where, channels):
    options = WriteOptions(format=name, bits=bits)
    content, (line,) = write.to_bytes(transparent(channels, bits), Metadata(), options)
    assert "transparency" in line
    assert where in line
    # Not mixed with a background: as if it had always been opaque.
    assert content == encode(noise(channels, bits), format=name, bits=bits)[0]


def test_losses_are_added_up(metadata):
    _, lost = write.to_bytes(transparent(3, 16), metadata, WriteOptions(format="tiff", bits=16))
    assert [word in line for word, line in zip(("transparency", "EXIF"), lost, strict=True)] == [True, True]


# Ink


@pytest.mark.parametrize("name", ["tiff", "jpeg"])
def test_ink_stays_ink_where_it_can(name, photo):
    ink = np.asarray(Image.fromarray(photo).convert("CMYK"))
    content, lost = encode(ink, format=name)
    image = opened(content)
    assert (image.mode, lost) == ("CMYK", [])
    if name == "tiff":
        assert np.array_equal(np.asarray(image), ink)
    else:
        assert np.sqrt(np.square(np.asarray(image, np.float64) - ink).mean()) < 3


@pytest.mark.parametrize("name", ["png", "webp", "avif"])
def test_ink_becomes_rgb_with_a_note_elsewhere(name, photo):
    ink = np.asarray(Image.fromarray(photo).convert("CMYK"))
    content, lost = encode(ink, format=name)
    image = opened(content)
    assert image.mode == "RGB"
    assert len(lost) == 1
    assert "CMYK" in lost[0]
    if name != "avif":
        assert np.array_equal(np.asarray(image), np.asarray(Image.fromarray(ink, "CMYK").convert("RGB")))


@pytest.mark.parametrize("profile", [b"no profile", None], ids=["junk", "RGB's"])
def test_profile_that_is_not_of_ink_does_not_stop_writing(profile, photo, metadata):
    ink = np.asarray(Image.fromarray(photo).convert("CMYK"))
    content, lost = encode(ink, Metadata(icc=profile or metadata.icc, xmp=metadata.xmp), format="png")
    image = opened(content)
    assert image.mode == "RGB"
    assert "CMYK" in lost[0]
    # The pixels have left the profile's color space.
    assert (of_image(image).icc, of_image(image).xmp) == (None, metadata.xmp)


def test_ink_of_16_bits_is_refused(tmp_path):
    canvas = Canvas(4, 4, channels=4, bits=16)
    with pytest.raises(OutputError, match="CMYK"):
        write.write(canvas, Metadata(), WriteOptions(format="tiff", bits=16), tmp_path / "ink.tif")
    assert list(tmp_path.iterdir()) == []


# Metadata


def same(found, metadata, part):
    if part == "dpi":
        return np.allclose(found.dpi, metadata.dpi, rtol=0, atol=0.01)  # PNG counts whole samples a metre
    return getattr(found, part) == getattr(metadata, part)


def tags(content):
    """The first directory of EXIF tags as it stands in the file: Pillow turns a TIFF's pixels as it reads them."""
    if content[:2] in (b"II", b"MM"):
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            return {tag.code: tag.value for tag in file.pages[0].tags}
    return dict(opened(content).getexif())


@EVERY
def test_metadata_is_kept(name, photo, metadata):
    content, lost = encode(photo, metadata, format=name)
    image = opened(content)
    found = of_image(image)
    assert all("EXIF" in line for line in lost) if name == "tiff" else lost == []
    for part in PARTS[name] - {"exif", "comment"}:
        assert same(found, metadata, part), part
    assert tags(content)[0x0112] == 6
    assert tags(content)[0x010F] == "Camera & Sons"
    if name == "jpeg":
        assert (found.exif, found.comment) == (metadata.exif, metadata.comment)
    if name == "png":
        assert image.text["Comment"].encode() == metadata.comment


@EVERY
def test_cameras_own_directory_is_kept_or_said_to_be_lost(name, photo, metadata):
    content, lost = encode(photo, metadata, format=name)
    exif = opened(content).getexif()
    exposure, place = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
    assert (exposure.get(0x927C), place.get(1)) == (b"maker's note", "N") or any("EXIF" in line for line in lost)


@pytest.mark.parametrize("bits", [8, 16])
def test_gray_keeps_its_metadata(metadata, bits):
    image = opened(encode(noise(1, bits), metadata, format="png", bits=bits)[0])
    found = of_image(image)
    assert (found.icc, found.xmp, image.getexif()[0x0112]) == (metadata.icc, metadata.xmp, 6)


def test_png_of_16_bits_keeps_metadata(metadata):
    content, lost = encode(noise(3, 16), metadata, format="png", bits=16)
    image = opened(content)
    found = of_image(image)
    assert lost == []
    assert (found.icc, found.xmp) == (metadata.icc, metadata.xmp)
    assert same(found, metadata, "dpi")
    assert image.text["Comment"].encode() == metadata.comment
    assert image.getexif()[0x010F] == "Camera & Sons"


def test_tiff_of_16_bits_keeps_what_it_can_and_says_what_not(metadata):
    content, lost = encode(noise(3, 16), metadata, format="tiff", bits=16)
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        tags = file.pages[0].tags
        assert tags[34675].value == metadata.icc
        assert bytes(tags[700].value) == metadata.xmp
        assert tags[274].value == 6
        assert tags[282].value == tags[283].value == (300, 1)
        assert tags[296].value == 2
    assert len(lost) == 1
    assert "EXIF" in lost[0]


@EVERY
def test_metadata_is_dropped_when_asked_but_for_the_profile(name, photo, metadata):
    content, lost = encode(photo, metadata, format=name, keep_metadata=False)
    image = opened(content)
    found = of_image(image)
    assert lost == []
    assert found.icc == metadata.icc
    assert found.xmp is None
    assert found.comment is None
    assert found.dpi in (None, (1, 1))  # the latter is Pillow's word for a TIFF without
    assert not {0x0112, 0x010F} & set(tags(content))
    assert b"Camera" not in content
    assert b"Gr\xc3\xbc" not in content


@pytest.mark.parametrize("name", ["png", "tiff"])
def test_metadata_is_dropped_from_16_bits_when_asked(name, metadata):
    content, lost = encode(noise(3, 16), metadata, format=name, bits=16, keep_metadata=False)
    assert lost == []
    assert all(text not in content for text in (b"Camera", b"xmpmeta", b"Gr\xc3\xbc"))
    image = opened(content) if name == "png" else None
    profile = image.info["icc_profile"] if image else tifffile.TiffFile(io.BytesIO(content)).pages[0].tags[34675].value
    assert profile == metadata.icc


FOREIGN = {256: 4000, 257: 3000, 258: 16, 259: 6, 262: 6, 273: 8, 277: 1, 278: 16, 279: 77, 284: 2, 320: 5, 322: 16,
           339: 2, 513: 200, 514: 99, 530: (2, 2), 531: 1}  # fmt: skip


@pytest.mark.parametrize("tag", FOREIGN)
@pytest.mark.parametrize("name", ["tiff", "png"])
def test_tags_of_the_old_file_do_not_describe_the_new_one(name, tag, photo):
    """Cameras write the size and the coding of their own file into its EXIF data (Samsung: 256 and 257)."""
    exif = Image.Exif()
    exif[tag] = FOREIGN[tag]
    exif[0x0112] = 3
    content, lost = encode(photo, Metadata(exif=b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0")), format=name)
    read = tifffile.imread(io.BytesIO(content)) if name == "tiff" else np.asarray(opened(content))
    assert np.array_equal(read, photo)
    assert tags(content).get(0x0112) == 3 or lost


@EVERY
def test_damaged_exif_does_not_stop_writing(name, damaged_exif, photo):
    content, lost = encode(photo, Metadata(exif=damaged_exif), format=name)
    assert opened(content).size == (49, 41)
    assert all("damaged" in line or "EXIF" in line for line in lost)


@pytest.mark.parametrize("name", ["png", "tiff"])
def test_damaged_exif_does_not_stop_writing_16_bits(name, damaged_exif):
    pixels = noise(3, 16)
    content, _ = encode(pixels, Metadata(exif=damaged_exif), format=name, bits=16)
    if name == "tiff":
        assert np.array_equal(tifffile.imread(io.BytesIO(content)), pixels)
    else:
        assert png.Reader(bytes=content).read()[:2] == (17, 24)


@EVERY
def test_damaged_exif_does_not_cost_the_profile(name, damaged_exif, photo, metadata):
    content, _ = encode(photo, Metadata(icc=metadata.icc, exif=damaged_exif), format=name)
    assert of_image(opened(content)).icc == metadata.icc


# Files


def test_written_file_is_what_to_bytes_returns(tmp_path, photo, metadata):
    path = tmp_path / "out.png"
    lost = write.write(canvas_of(photo), metadata, WriteOptions(), path)
    assert (path.read_bytes(), lost) == encode(photo, metadata)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.png"]


def test_existing_file_is_replaced(tmp_path, photo):
    path = tmp_path / "out.png"
    path.write_bytes(b"old")
    write.write(canvas_of(photo), Metadata(), WriteOptions(), path)
    assert np.array_equal(np.asarray(Image.open(path)), photo)


def test_link_stays_a_link(tmp_path, photo):
    target, link = tmp_path / "target.png", tmp_path / "link.png"
    target.write_bytes(b"old")
    try:
        link.symlink_to(target)
    except OSError:
        pytest.skip("no links here")
    write.write(canvas_of(photo), Metadata(), WriteOptions(), link)
    assert link.is_symlink()
    assert np.array_equal(np.asarray(Image.open(target)), photo)


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="no such device")
def test_device_is_written_to(photo):
    write.write(canvas_of(photo), Metadata(), WriteOptions(), Path("/dev/null"))
    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize("stem", ["a" * 250, "写" * 80, "é" * 120], ids=["ASCII", "three bytes", "two bytes"])
def test_longest_names_are_written(tmp_path, photo, stem):
    path = tmp_path / f"{stem}.png"
    write.write(canvas_of(photo), Metadata(), WriteOptions(), path)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("size", [(16384, 1), (1, 16384)], ids=str)
def test_size_beyond_the_format_leaves_all_as_it_was(tmp_path, size):
    path = tmp_path / "out.webp"
    path.write_bytes(b"old")
    canvas = Canvas(*size, channels=1, bits=8)
    with pytest.raises(OutputError, match="16383"):
        write.write(canvas, Metadata(), WriteOptions(format="webp"), path)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.webp"]


class Half:
    """A `save` that fails after some bytes."""

    def __init__(self, error):
        self.error = error

    def __call__(self, file, *_, **__):
        file.write(b"half")
        raise self.error


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (OSError(28, "No space left on device"), OutputError),
        (ValueError("no"), OutputError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
    ids=["disk", "value", "interrupt"],
)
@pytest.mark.parametrize("old", [b"old", None], ids=["there", "absent"])
def test_failure_while_encoding_leaves_all_as_it_was(tmp_path, photo, monkeypatch, error, seen, old):
    path = tmp_path / "out.png"
    if old is not None:
        path.write_bytes(old)
    monkeypatch.setattr(Image.Image, "save", Half(error))
    with pytest.raises(seen):
        write.write(canvas_of(photo), Metadata(), WriteOptions(), path)
    assert [entry.name for entry in tmp_path.iterdir()] == ([path.name] if old else [])
    assert old is None or path.read_bytes() == old


def test_failure_with_metadata_is_an_output_error(photo, metadata, monkeypatch):
    monkeypatch.setattr(Image.Image, "save", Half(ValueError("cannot be held")))
    with pytest.raises(OutputError, match="cannot be held"):
        encode(photo, metadata)


def test_unwritable_places_are_output_errors(tmp_path, photo):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    for path in (tmp_path / "file" / "out.png", tmp_path / "none" / "out.png", tmp_path / "folder.png"):
        with pytest.raises(OutputError, match=path.name):
            write.write(canvas_of(photo), Metadata(), WriteOptions(), path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder.png"]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_new_file_has_the_usual_mode(tmp_path, photo):
    plain, path = tmp_path / "plain", tmp_path / "out.png"
    plain.write_bytes(b"")
    write.write(canvas_of(photo), Metadata(), WriteOptions(), path)
    assert path.stat().st_mode == plain.stat().st_mode


# Options


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.png", "png"), ("a.PNG", "png"), ("a.tif", "tiff"), ("a.TIFF", "tiff"), ("a.webp", "webp"), ("a.avif", "avif"),
     ("a.jpg", "jpeg"), ("a.b.JPEG", "jpeg")],
)  # fmt: skip
def test_ending_names_the_format(name, expected):
    assert write.format_of(Path(name)) == expected


@pytest.mark.parametrize("name", ["a.gif", "a", ".png", "a.png.bak", "a.jp2"])
def test_unknown_endings_are_usage_errors(name):
    with pytest.raises(UsageError, match=r"\.webp"):
        write.format_of(Path(name))


@EVERY
def test_sample_sizes_are_checked(name):
    write.check(WriteOptions(format=name))
    if name in ("png", "tiff"):
        write.check(WriteOptions(format=name, bits=16))
    else:
        with pytest.raises(UsageError, match="choose png, tiff"):
            write.check(WriteOptions(format=name, bits=16))
