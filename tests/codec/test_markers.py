"""The walk over a header: it states what stands there, and refuses in words all that libjpeg would choke on."""

import io
import struct

import pytest

from jpegfilter.codec import markers
from jpegfilter.errors import BrokenImageError, InputError, NotAnImageError, UnsupportedError

SOF0, SOF2, DHT, DQT, DRI, SOS, DAC, APP0, APP1, APP14, COM = (
    0xC0, 0xC2, 0xC4, 0xDB, 0xDD, 0xDA, 0xCC, 0xE0, 0xE1, 0xEE, 0xFE,
)  # fmt: skip


def walk(content):
    return markers.walk(io.BytesIO(bytes(content)))


@pytest.fixture
def good(encoded, surgery):
    """Baseline, 4:2:0."""
    return surgery(encoded())


def test_baseline_header_is_stated(good):
    frame = walk(good)
    assert (frame.process, frame.width, frame.height) == ("baseline", 49, 41)
    assert frame.components == ((1, 2, 2, 0), (2, 1, 1, 1), (3, 1, 1, 1))
    assert frame.jfif
    assert frame.adobe is None


def test_other_modes_are_stated(encoded):
    assert walk(encoded(progressive=True)).process == "progressive"
    assert walk(encoded("L")).components == ((1, 1, 1, 0),)
    rgb = walk(encoded(keep_rgb=True))
    assert (rgb.jfif, rgb.adobe, [c[0] for c in rgb.components]) == (False, 0, list(b"RGB"))
    ink = walk(encoded("CMYK"))
    assert (ink.jfif, ink.adobe, len(ink.components)) == (False, 0, 4)


@pytest.mark.parametrize(
    ("marker", "process"),
    [(0xC0, "baseline"), (0xC1, "extended sequential"), (0xC2, "progressive"), (0xC9, "arithmetic sequential"),
     (0xCA, "arithmetic progressive")],
)  # fmt: skip
def test_every_process_of_the_cosine_transform_is_read(good, marker, process):
    assert walk(good.replaced(SOF0, good.body(SOF0), by=marker)).process == process


def test_file_is_read_up_to_the_first_scan(good):
    file = io.BytesIO(bytes(good))
    markers.walk(file)
    assert file.tell() == len(good.header)


def test_only_whole_headers_pass(good):
    header = good.header
    walk(header)
    for size in range(len(header)):
        with pytest.raises(InputError):
            walk(header[:size])


@pytest.mark.parametrize(
    "content",
    [b"", b"J", b"Dear Sir or Madam,", b"\x89PNG\r\n\x1a\n" + bytes(60), b"GIF89a", bytes(100), b"\xff", b"\xd8\xff"],
    ids=["empty", "letter", "text", "PNG", "GIF", "zeros", "half a marker", "swapped"],
)
def test_what_is_no_jpeg_is_called_so(content):
    with pytest.raises(NotAnImageError):
        walk(content)


@pytest.mark.parametrize(
    "content",
    [b"\xff\xd8" + rest for rest in (b"", b"\xff", b"\xff\xd9", b"hello", b"\xff\xd8\xff\xd9", b"\xff" * 99)],
    ids=["SOI", "SOI and half", "SOI EOI", "SOI text", "SOI SOI", "fill"],
)
def test_start_alone_is_broken(content):
    with pytest.raises(BrokenImageError):
        walk(content)


@pytest.mark.parametrize("marker", [0xC3, 0xC5, 0xC6, 0xC7, 0xC8, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7], ids=hex)
def test_other_processes_are_refused(good, marker):
    with pytest.raises(UnsupportedError):
        walk(good.replaced(SOF0, good.body(SOF0), by=marker))


@pytest.mark.parametrize(
    ("at", "value"),
    [(0, 12), (0, 16), (0, 0), (5, 0), (5, 2), (5, 5), (5, 255)],
    ids=["12 bits", "16 bits", "0 bits", "no component", "2 components", "5 components", "255 components"],
)
def test_other_sample_sizes_and_numbers_are_refused(good, at, value):
    with pytest.raises(UnsupportedError):
        walk(good.patched(SOF0, at, value))


def frame_of(count):
    return struct.pack(">BHHB", 8, 41, 49, count) + b"".join(bytes([i, 0x11, 0]) for i in range(count))


@pytest.mark.parametrize("count", [0, 2, 5, 10])
def test_whole_frames_of_other_numbers_of_components_are_refused(good, count):
    with pytest.raises(UnsupportedError):
        walk(good.replaced(SOF0, frame_of(count)))


@pytest.mark.parametrize(("height", "width"), [(0, 49), (41, 0), (0, 0), (65501, 8), (8, 65501), (65535, 65535)])
def test_sizes_that_libjpeg_refuses_are_refused(good, height, width):
    body = good.body(SOF0)
    with pytest.raises(UnsupportedError):
        walk(good.replaced(SOF0, body[:1] + struct.pack(">HH", height, width) + body[5:]))


@pytest.mark.parametrize("factors", [0x01, 0x10, 0x00, 0x51, 0x15, 0xFF], ids=hex)
def test_impossible_factors_are_broken(good, factors):
    with pytest.raises(BrokenImageError):
        walk(good.patched(SOF0, 7, factors))


def test_impossible_table_number_is_broken(good):
    with pytest.raises(BrokenImageError):
        walk(good.patched(SOF0, 8, 4))


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b + b"\0", lambda b: b[:5], lambda b: b""])
def test_frame_of_a_wrong_length_is_broken(good, change):
    with pytest.raises(BrokenImageError):
        walk(good.replaced(SOF0, change(good.body(SOF0))))


def test_two_frames_are_broken(good):
    with pytest.raises(BrokenImageError, match="two frame"):
        walk(good.inserted(SOF0, good.body(SOF0)))


def test_second_frame_of_a_refused_kind_is_broken(good):
    with pytest.raises(InputError):
        walk(good.inserted(0xC3, good.body(SOF0)))


def test_scan_without_a_frame_is_broken(good):
    with pytest.raises(BrokenImageError, match="frame"):
        walk(good.without(SOF0))


QUANTIZATION = {
    "zero step": bytes([0]) + bytes([16] * 63 + [0]),
    "zero step of 16 bits": bytes([0x10]) + b"\x01\x00" * 63 + b"\x00\x00",
    "precision 2": bytes([0x20]) + bytes([16] * 64),
    "number 4": bytes([4]) + bytes([16] * 64),
    "short": bytes([0]) + bytes([16] * 63),
    "short of 16 bits": bytes([0x10]) + bytes([16] * 127),
    "second short": bytes([0]) + bytes([16] * 64) + bytes([1, 16, 16]),
}
HUFFMAN = {
    "short": bytes([0]) + bytes(15),
    "values missing": bytes([0]) + bytes([0, 3] + [0] * 14) + bytes([1, 2]),
    "more than 256": bytes([0]) + bytes([0] * 14 + [255, 2]) + bytes(257),
    "number 4": bytes([4]) + bytes(16),
    "number 4 of AC": bytes([0x14]) + bytes(16),
    "class 2": bytes([0x20]) + bytes(16),
    "leftover": bytes([0]) + bytes([1] + [0] * 15) + bytes([7]) + b"\0",
}
ARITHMETIC = {"odd": bytes([0, 0x10, 1]), "number 32": bytes([32, 5]), "lower above upper": bytes([0, 0x12])}


@pytest.mark.parametrize("body", QUANTIZATION.values(), ids=QUANTIZATION)
def test_malformed_quantization_table_is_broken(good, body):
    with pytest.raises(BrokenImageError):
        walk(good.inserted(DQT, body))


@pytest.mark.parametrize("body", HUFFMAN.values(), ids=HUFFMAN)
def test_malformed_huffman_table_is_broken(good, body):
    with pytest.raises(BrokenImageError):
        walk(good.inserted(DHT, body))


@pytest.mark.parametrize("body", ARITHMETIC.values(), ids=ARITHMETIC)
def test_malformed_conditioning_is_broken(good, body):
    with pytest.raises(BrokenImageError):
        walk(good.inserted(DAC, body))


@pytest.mark.parametrize("body", [b"", b"\0", b"\0\0\0"], ids=len)
def test_malformed_restart_interval_is_broken(good, body):
    with pytest.raises(BrokenImageError):
        walk(good.inserted(DRI, body))


def test_well_formed_segments_pass(good):
    good.inserted(DQT, bytes([0x13]) + b"\x01\x00" * 64)
    good.inserted(DQT, bytes([2]) + bytes([1] * 64) + bytes([3]) + bytes([255] * 64))
    good.inserted(DHT, bytes([0x13]) + bytes([0, 2] + [0] * 14) + bytes([1, 2]))
    good.inserted(DAC, bytes([0, 0x10, 0x13, 5]))
    good.inserted(DRI, b"\0\x08")
    good.inserted(COM, b"")
    assert walk(good).process == "baseline"


SCANS = {
    "empty": b"",
    "no component": bytes([0, 0, 63, 0]),
    "five components": bytes([5, 1, 0, 2, 17, 3, 17, 1, 0, 2, 17, 0, 63, 0]),
    "unknown component": bytes([3, 1, 0, 2, 17, 9, 17, 0, 63, 0]),
    "too short": bytes([3, 1, 0, 2, 17, 0, 63, 0]),
    "too long": bytes([1, 1, 0, 0, 63, 0, 0]),
    # libjpeg refuses these two (JERR_BAD_COMPONENT_ID) while it reads the header, where jpeglib's binding then closes a
    # file that it has not opened yet: the process ends.
    "component twice": bytes([3, 1, 0, 2, 17, 2, 17, 0, 63, 0]),
    "components out of order": bytes([3, 2, 17, 1, 0, 3, 17, 0, 63, 0]),
}


@pytest.mark.parametrize("body", SCANS.values(), ids=SCANS)
def test_malformed_scan_is_broken(good, body):
    with pytest.raises(BrokenImageError):
        walk(good.replaced(SOS, body))


@pytest.mark.parametrize("body", [bytes([1, 1, 0, 0, 63, 0]), bytes([2, 2, 17, 3, 17, 0, 63, 0])], ids=["Y", "Cb Cr"])
def test_scan_of_some_components_passes(good, body):
    assert len(walk(good.replaced(SOS, body)).components) == 3


@pytest.mark.parametrize("marker", [0x02, 0xBF, 0xDE, 0xDF, 0xF0, 0xF8, 0xFD], ids=hex)
def test_markers_that_libjpeg_does_not_know_are_refused(good, marker):
    """It ends with JERR_UNKNOWN_MARKER while it reads the header, and jpeglib's binding with a segmentation fault."""
    with pytest.raises(InputError):
        walk(good.inserted(marker, b"\0\0"))


@pytest.mark.parametrize("length", [b"\0\0", b"\0\1"])
def test_segment_shorter_than_its_own_length_is_broken(good, length):
    header = good.header
    with pytest.raises(BrokenImageError):
        walk(header[:2] + b"\xff\xfe" + length + header[2:])


def test_many_application_segments_pass(good):
    for number in range(80):
        good.inserted(APP1 + number % 13, bytes([number]) * 50, before=SOF0)
    assert walk(good) == walk(bytes(good))


def test_stray_and_fill_bytes_pass(good):
    frame = walk(good)
    header = good.header
    assert walk(header[:2] + b"\xff\xff\xff" + header[2:]) == frame
    after = 4 + len(good.body(APP0)) + 2
    assert walk(header[:after] + b"stray \xff\0" + header[after:]) == frame
    assert walk(header[:after] + b"\xff\x01\xff\xd3" + header[after:]) == frame


def test_application_markers_say_what_decides_color(good):
    assert walk(good.without(APP0)).jfif is False
    adobe = b"Adobe" + struct.pack(">HHHB", 100, 0, 0, 2)
    frame = walk(good.inserted(APP14, adobe))
    assert frame.adobe == 2
    assert walk(good.replaced(APP14, adobe[:-1])).adobe is None
    assert walk(good.replaced(APP14, b"Other" + adobe[5:])).adobe is None


def test_application_markers_after_the_frame_count(good):
    jfif = good.body(APP0)
    assert walk(good.without(APP0)).jfif is False
    assert walk(good.inserted(APP0, jfif)).jfif is True
