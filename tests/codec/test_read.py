"""Reading: header facts and coefficients against jpeglib's public reader, damage, and silence about it."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import jpeglib
import numpy as np
import pytest
from PIL import Image

from jpegfilter.codec import coefficients, read
from jpegfilter.errors import BrokenImageError, InputError, NotAnImageError, UnsupportedError
from jpegfilter.jpeg import color, decode, tables
from jpegfilter.jpeg.image import ColorModel

SOF0, SOS, DHT, DQT, APP0, APP14 = 0xC0, 0xDA, 0xC4, 0xDB, 0xE0, 0xEE
MODES = {
    "4:4:4": ("RGB", {"subsampling": "4:4:4"}),
    "4:2:2": ("RGB", {"subsampling": "4:2:2"}),
    "4:2:0": ("RGB", {"subsampling": "4:2:0"}),
    "progressive": ("RGB", {"progressive": True}),
    "restarts": ("RGB", {"restart_marker_blocks": 2}),
    "optimized": ("RGB", {"optimize": True}),
    "RGB": ("RGB", {"keep_rgb": True}),
    "gray": ("L", {}),
    "ink": ("CMYK", {}),
}


@pytest.fixture
def put(tmp_path):
    """Return a maker of files."""

    def write(content, name="picture.jpg"):
        path = tmp_path / name
        path.write_bytes(bytes(content))
        return path

    return write


def by_jpeglib(path):
    jpeglib.version.set("turbo210")
    return jpeglib.read_dct(str(path))


@pytest.mark.parametrize("mode", MODES)
def test_coefficients_and_tables_are_jpeglibs(put, encoded, mode):
    kind, options = MODES[mode]
    path = put(encoded(kind, **options))
    file = read.read(path)
    assert file.complaints == ()
    theirs = by_jpeglib(path)
    planes = [plane for plane in (theirs.Y, theirs.Cb, theirs.Cr, theirs.K) if plane is not None]
    assert len(file.image.components) == len(planes)
    for component, expected, number in zip(file.image.components, planes, theirs.quant_tbl_no, strict=True):
        assert component.coefficients.dtype == np.int16
        assert np.array_equal(component.coefficients, expected)
        assert np.array_equal(component.table, theirs.qt[list(theirs.quant_tbl_no).index(number)])


@pytest.mark.parametrize(
    ("mode", "model", "process", "factors"),
    [
        ("4:4:4", ColorModel.YCBCR, "baseline", ((1, 1),) * 3),
        ("4:2:2", ColorModel.YCBCR, "baseline", ((1, 1), (1, 2), (1, 2))),
        ("4:2:0", ColorModel.YCBCR, "baseline", ((1, 1), (2, 2), (2, 2))),
        ("progressive", ColorModel.YCBCR, "progressive", ((1, 1), (2, 2), (2, 2))),
        ("RGB", ColorModel.RGB, "baseline", ((1, 1),) * 3),
        ("gray", ColorModel.GRAY, "baseline", ((1, 1),)),
        ("ink", ColorModel.CMYK, "baseline", ((1, 1),) * 4),
    ],
)
def test_header_states_the_facts(put, encoded, mode, model, process, factors):
    kind, options = MODES[mode]
    header = read.read_header(put(encoded(kind, **options)))
    assert (header.width, header.height) == (49, 41)
    assert (header.model, header.process, header.factors) == (model, process, factors)
    assert header.inverted is (mode == "ink")
    chroma = 1 if model is ColorModel.YCBCR else 0
    assert header.table_numbers == (0,) + (chroma,) * (len(factors) - 1)
    assert np.array_equal(header.tables[0], tables.ijg_table(tables.LUMA, 40))


def test_read_has_the_header_and_its_geometry(put, encoded):
    path = put(encoded())
    file = read.read(path)
    header = read.read_header(path)
    assert (file.header.width, file.header.height, file.header.factors) == (header.width, header.height, header.factors)
    image = file.image
    assert (image.width, image.height, image.model, image.inverted) == (49, 41, ColorModel.YCBCR, False)
    assert [component.coefficients.shape[:2] for component in image.components] == [(6, 7), (3, 4), (3, 4)]
    assert [(c.down, c.across) for c in image.components] == [(1, 1), (2, 2), (2, 2)]


def test_horizontal_frequencies_are_the_last_axis(put):
    stripes = np.tile(np.uint8([0, 255] * 8), (16, 1))
    path = put(b"", "stripes.jpg")
    Image.fromarray(stripes).save(path, quality=90)
    (component,) = read.read(path).image.components
    assert component.coefficients[..., 0, 1:].any()
    assert not component.coefficients[..., 1:, :].any()


def test_metadata_is_found(tmp_path, photo, metadata):
    path = tmp_path / "picture.jpg"
    found = metadata
    Image.fromarray(photo).save(
        path, icc_profile=found.icc, exif=found.exif, xmp=found.xmp, dpi=found.dpi, comment=found.comment
    )
    assert read.read_header(path).metadata == metadata


def test_lone_component_has_no_factors(put, encoded, surgery):
    """T.81, A.2.2: a single component is not interleaved, whatever its factors say."""
    plain = read.read(put(encoded("L"))).image
    odd = read.read(put(surgery(encoded("L")).patched(SOF0, 7, 0x22))).image
    assert (odd.components[0].down, odd.components[0].across) == (1, 1)
    assert np.array_equal(odd.components[0].coefficients, plain.components[0].coefficients)


def test_broken_ratios_are_refused(put, encoded, surgery):
    with pytest.raises(UnsupportedError, match="3x1"):
        read.read(put(surgery(encoded(subsampling="4:4:4")).patched(SOF0, 7, 0x31).patched(SOF0, 10, 0x21)))


ADOBE = b"Adobe" + struct.pack(">HHH", 100, 0, 0)
JFIF = b"JFIF\0\1\1\0\0\1\0\1\0\0"
MARKED = {
    "nothing": (), "JFIF": ((APP0, JFIF),), "a short JFIF": ((APP0, JFIF[:9]),),
    "a short JFIF and Adobe 0": ((APP0, JFIF[:9]), (APP14, ADOBE + b"\0")),
    "JFIF and Adobe 0": ((APP0, JFIF), (APP14, ADOBE + b"\0")),
    **{f"Adobe {n}": ((APP14, ADOBE + bytes([n])),) for n in (0, 1, 2, 3)},
}  # fmt: skip


def as_shown(image):
    """The picture as each color model would have it, in 8-bit levels `(H, W, C)`."""
    samples = np.stack([decode.samples(c)[: image.height, : image.width] for c in image.components])
    if len(samples) == 1:
        return {ColorModel.GRAY: samples[0] + 128}
    mixed = np.concatenate((color.rgb_from_ycbcr(samples[:3]), samples[3:]))
    plain, mixed = (np.moveaxis(planes, 0, 2).clip(-128, 127) + 128 for planes in (samples, mixed))
    if len(samples) == 3:
        return {ColorModel.RGB: plain, ColorModel.YCBCR: mixed}
    mixed[..., :3] = 255 - mixed[..., :3]  # jdcolor.c: YCCK is ink whose complement was converted
    return {ColorModel.CMYK: plain, ColorModel.YCCK: mixed}


@pytest.mark.parametrize("mode", ["4:4:4", "RGB", "gray", "ink"])
@pytest.mark.parametrize("segments", MARKED.values(), ids=MARKED)
def test_color_model_is_the_one_that_pillow_shows(put, encoded, surgery, mode, segments):
    kind, options = MODES[mode]
    file = surgery(encoded(kind, **options)).without(APP0, APP14)
    for marker, body in segments:
        file.inserted(marker, body, before=SOF0)
    path = put(file)
    image = read.read(path).image
    with Image.open(path) as picture:
        pixels = np.asarray(picture, np.float64)
    shown = [255 - pixels, pixels] if image.model.has_black else [pixels]  # Pillow turns all ink around
    distance = {m: min(np.abs(levels - one).mean() for one in shown) for m, levels in as_shown(image).items()}
    assert min(distance.values()) < 1
    assert image.model is min(distance, key=distance.get)


def test_truncated_file_is_read_as_far_as_it_goes(put, encoded):
    whole = encoded("L", quality=90)
    expected = read.read(put(whole)).image.components[0].coefficients
    partial = read.read(put(whole[: len(whole) * 2 // 3]))
    assert len(partial.complaints) == 1
    assert partial.complaints[0].startswith("the file is cut short")
    found = partial.image.components[0].coefficients
    assert np.array_equal(found[:2], expected[:2])
    assert not found[-1].any()


def test_truncated_progressive_file_keeps_its_coarse_scans(put, encoded):
    whole = encoded("L", quality=90, progressive=True)
    expected = read.read(put(whole)).image.components[0].coefficients
    partial = read.read(put(whole[: len(whole) * 2 // 3]))
    assert partial.complaints
    found = partial.image.components[0].coefficients
    assert np.array_equal(found[..., 0, 0] >> 1, expected[..., 0, 0] >> 1)
    assert not np.array_equal(found, expected)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_missing_end_is_a_complaint_at_most(put, encoded, size):
    whole = encoded()
    expected = read.read(put(whole)).image.components[0].coefficients
    partial = read.read(put(whole[:-size]))
    assert np.array_equal(partial.image.components[0].coefficients[:4], expected[:4])


def test_bytes_after_the_end_change_nothing(put, encoded):
    expected = read.read(put(encoded()))
    found = read.read(put(encoded() + b"<html>" * 1000 + encoded(quality=3)))
    assert found.complaints == ()
    for a, b in zip(found.image.components, expected.image.components, strict=True):
        assert np.array_equal(a.coefficients, b.coefficients)


def test_many_application_segments_change_nothing(put, encoded, surgery):
    file = surgery(encoded())
    for number in range(80):
        file.inserted(0xE1 + number % 12, b"maker" + bytes([number]) * 500, before=SOF0)
    found, expected = read.read(put(file, "many.jpg")), read.read(put(encoded()))
    assert found.complaints == ()
    assert np.array_equal(found.image.components[0].coefficients, expected.image.components[0].coefficients)


def test_damaged_blocks_are_a_complaint(put, encoded):
    content = bytearray(encoded(restart_marker_blocks=2))
    first = content.index(b"\xff\xd0")
    del content[first : first + 2]  # a lost restart marker
    file = read.read(put(content))
    assert any(complaint.startswith("the file is damaged") for complaint in file.complaints)
    assert len(file.complaints) == len(set(file.complaints))


@pytest.mark.parametrize("marker", [DQT, SOF0], ids=["DQT", "SOF"])
def test_missing_segment_is_broken(put, encoded, surgery, marker):
    with pytest.raises(BrokenImageError):
        read.read(put(surgery(encoded()).without(marker)))


def test_missing_huffman_tables_are_the_usual_ones(put, encoded, surgery):
    """As in the frames of Motion JPEG."""
    found = read.read(put(surgery(encoded()).without(DHT)))
    expected = read.read(put(encoded()))
    for a, b in zip(found.image.components, expected.image.components, strict=True):
        assert np.array_equal(a.coefficients, b.coefficients)


def test_missing_huffman_tables_of_its_own_do_not_pass_unseen(put, encoded, surgery):
    assert read.read(put(surgery(encoded(optimize=True)).without(DHT))).complaints


def test_missing_chroma_table_is_broken(put, encoded, surgery):
    file = surgery(encoded())
    number = next(i for i, (marker, body) in enumerate(file.segments) if marker == DQT and body[0] == 1)
    del file.segments[number]
    with pytest.raises(BrokenImageError, match="table"):
        read.read(put(file))


def test_steps_of_16_bits_are_read(put, encoded, surgery):
    file = surgery(encoded("L"))
    steps = bytearray(file.body(DQT)[1:])
    wide = b"".join(struct.pack(">H", step * 100) for step in steps)
    read_back = read.read(put(file.replaced(DQT, bytes([0x10]) + wide))).image.components[0].table
    assert np.array_equal(read_back, tables.ijg_table(tables.LUMA, 40) * 100)


def test_too_many_pixels_are_refused(put, encoded, surgery):
    path = put(encoded())
    assert read.read(path, max_pixels=49 * 41).image.width == 49
    for reader in (read.read, read.read_header):
        with pytest.raises(UnsupportedError, match="49x41"):
            reader(path, max_pixels=49 * 41 - 1)
    body = surgery(encoded()).body(SOF0)
    bomb = surgery(encoded()).replaced(SOF0, body[:1] + struct.pack(">HH", 65500, 65500) + body[5:])
    with pytest.raises(UnsupportedError, match="65500x65500"):
        read.read(put(bomb))


def test_absent_files_are_input_errors(tmp_path):
    for path in (tmp_path / "none.jpg", tmp_path, tmp_path / "none" / "none.jpg"):
        with pytest.raises(InputError):
            read.read(path)


def test_other_files_are_no_images(put):
    for content in (b"", b"text", b"\x89PNG\r\n\x1a\n"):
        with pytest.raises(NotAnImageError):
            read.read(put(content))


def test_unusual_file_names_are_read(put, encoded):
    for name in ("Ærø 写真.jpg", "a'b\"c $(d).jpg", "%s%n.jpg", "no suffix"):
        assert read.read(put(encoded(), name)).image.width == 49


def test_nothing_is_printed_and_standard_error_comes_back(put, encoded, surgery, capfd):
    whole = encoded()
    assert read.read(put(whole[:-100])).complaints
    with pytest.raises(BrokenImageError):
        read.read(put(surgery(whole).patched(SOS, 2, 0x33).without(DHT)))
    read.read(put(whole))
    assert capfd.readouterr() == ("", "")
    os.write(2, b"still here\n")
    assert capfd.readouterr() == ("", "still here\n")


def test_no_message_of_libjpegs_gets_past(put, encoded, surgery, capfd):
    """Every component of 4x4 blocks: more than a scan may interleave, as libjpeg says on standard error."""
    file = surgery(encoded(subsampling="4:4:4"))
    for at in (7, 10, 13):
        file.patched(SOF0, at, 0x44)
    with pytest.raises(BrokenImageError, match=r"[Ss]ampling factors"):
        read.read(put(file))
    assert capfd.readouterr() == ("", "")


def test_what_others_print_meanwhile_is_passed_on(put, encoded, monkeypatch, capfd):
    reader = coefficients._reader()

    def chatty(*arguments):
        os.write(2, b"someone else's warning\n")
        return reader(*arguments)

    monkeypatch.setattr(coefficients, "_reader", lambda: chatty)
    assert read.read(put(encoded())).complaints == ()
    assert capfd.readouterr() == ("", "someone else's warning\n")


def test_no_file_stays_open(put, encoded):
    def names():
        return sorted(str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.exists())

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no /proc here")
    path = put(encoded()[:-100])
    read.read(path)
    before = names()
    read.read(path)
    with pytest.raises(InputError):
        read.read(put(b"text", "text.jpg"))
    assert names() == before


def test_memory_given_back_is_of_the_rows_above(tmp_path):
    path = tmp_path / "gray.jpg"
    Image.fromarray(np.random.default_rng(8).integers(0, 256, (256, 256), np.uint8)).save(path)
    file = read.read(path)
    (component,) = file.image.components
    kept = component.coefficients.copy()
    file.give_back(-8)
    file.give_back(0)
    assert np.array_equal(component.coefficients, kept)
    file.give_back(100)  # 12 whole block rows of 32 * 128 bytes each
    assert np.array_equal(component.coefficients[12:], kept[12:])
    file.give_back(256)
    file.give_back(64)
    assert component.coefficients.shape == kept.shape


def test_lent_file_has_the_content_and_vanishes(encoded):
    content = encoded()
    with read.as_file(content) as path:
        assert path.read_bytes() == content
        assert read.read(path).image.width == 49
    assert not path.exists()


def test_lent_file_vanishes_after_an_error():
    with pytest.raises(RuntimeError), read.as_file(b"content") as path:
        assert path.exists()
        raise RuntimeError
    assert not path.exists()


DAMAGE = """
import sys
import warnings
from pathlib import Path

import numpy as np

from jpegfilter.codec import read
from jpegfilter.errors import JpegFilterError

warnings.simplefilter("error")
read_, refused = 0, 0
for path in map(Path, sys.argv[1:]):
    good = path.read_bytes()
    header = good.index(b"\\xff\\xda") + 20
    for seed in range(80):
        random = np.random.default_rng(seed)
        content = bytearray(good)
        for _ in range(random.integers(1, 6)):
            at = random.integers(header if seed % 2 else len(content))
            content[at] ^= 1 << random.integers(8) if random.random() < 0.6 else random.integers(1, 256)
        path.write_bytes(content)
        print(path.name, seed, flush=True)
        try:
            read.read(path, max_pixels=2_000_000)
            read_ += 1
        except JpegFilterError:
            refused += 1
assert read_ > 50 and refused > 50, (read_, refused)
"""


def test_random_damage_is_read_or_refused_in_words(put, encoded, tmp_path):
    """In a process of its own, so that its death by libjpeg is seen; the last line of its output names the case."""
    paths = [put(encoded(), "baseline.jpg"), put(encoded(progressive=True), "progressive.jpg"),
             put(encoded(restart_marker_blocks=3), "restarts.jpg"), put(encoded("CMYK"), "ink.jpg")]  # fmt: skip
    done = subprocess.run([sys.executable, "-c", DAMAGE, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout.splitlines()[-1:], done.stderr[-2000:])
    assert done.stderr == ""


LETHAL = {
    "unknown marker": lambda file: file.inserted(0xF0, b"\0\0"),
    "component twice in a scan": lambda file: file.patched(SOS, 5, 2),
    "scan out of order": lambda file: file.patched(SOS, 1, 2).patched(SOS, 3, 1),
}


@pytest.mark.parametrize("damage", LETHAL.values(), ids=LETHAL)
def test_header_that_ends_libjpeg_does_not_end_the_process(put, encoded, surgery, damage):
    path = put(damage(surgery(encoded())))
    code = (
        "import sys, pathlib; from jpegfilter.codec import read; from jpegfilter.errors import InputError\n"
        "try: read.read(pathlib.Path(sys.argv[1]))\n"
        "except InputError: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "refused\n")
