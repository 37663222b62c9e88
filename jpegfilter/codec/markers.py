"""A strict walk over a JPEG's segments up to its first scan, before any decoder sees the file.

libjpeg ends or crashes its process on some damaged headers, and Pillow calls most of them "not an image". Whatever
passes here is safe to hand on, and what does not is refused in words. Names of markers as in T.81, table B.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from jpegfilter.errors import BrokenImageError, NotAnImageError, UnsupportedError

_FRAMES = {
    0xC0: "baseline",
    0xC1: "extended sequential",
    0xC2: "progressive",
    0xC9: "arithmetic sequential",
    0xCA: "arithmetic progressive",
}
_REFUSED_FRAMES = {
    0xC3: "lossless", 0xC5: "hierarchical", 0xC6: "hierarchical", 0xC7: "hierarchical lossless", 0xC8: "reserved",
    0xCB: "lossless arithmetic", 0xCD: "hierarchical", 0xCE: "hierarchical", 0xCF: "hierarchical", 0xF7: "JPEG-LS",
}  # fmt: skip
_SOI, _EOI, _SOS, _DQT, _DHT, _DAC, _DRI, _DNL = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xCC, 0xDD, 0xDC
_APP0, _APP14 = 0xE0, 0xEE
_ALONE = {0x01, *range(0xD0, 0xD8)}
"""Markers without a segment: TEM and the restart markers."""
_HARMLESS = {*range(0xE0, 0xF0), 0xFE, _DNL, _DRI}
"""APPn, COM and what else a decoder passes over: it stops at others."""
_JFIF_LENGTH = 14
"""libjpeg takes a shorter segment for something else."""
_READABLE_COMPONENTS = (1, 3, 4)
_MAX_SIDE = 65500
"""libjpeg's own limit (JPEG_MAX_DIMENSION)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What the frame header says (T.81, B.2.2) and the application markers that decide about color.

    Attributes:
        process: "baseline", "progressive" and so on.
        width: image width in samples.
        height: image height in samples.
        components: identifier, horizontal factor, vertical factor and table number of each component.
        jfif: whether a JFIF marker stood before the frame.
        adobe: the color transform of Adobe's marker, or None without one.
    """

    process: str
    width: int
    height: int
    components: tuple[tuple[int, int, int, int], ...]
    jfif: bool
    adobe: int | None


def _broken(came: str) -> BrokenImageError:
    return BrokenImageError("a whole JPEG header", came, "the file is damaged: get another copy")


def _next_marker(file: BinaryIO) -> int:
    """Return the next marker's second byte, passing over stray bytes as decoders do."""
    while byte := file.read(1):
        if byte != b"\xff":
            continue
        while byte == b"\xff":
            byte = file.read(1)
        if byte and byte != b"\x00":
            return byte[0]
    raise _broken("an end of file before the first scan")


def _segment(file: BinaryIO) -> bytes:
    length = int.from_bytes(file.read(2), "big")
    body = file.read(length - 2) if length >= 2 else b""
    if length < 2 or len(body) != length - 2:
        raise _broken("a segment cut short")
    return body


def _check_quantization(body: bytes) -> None:
    while body:
        wide, number = body[0] >> 4, body[0] & 15
        size = 1 + 64 * (1 + wide)
        if wide > 1 or number > 3 or len(body) < size:
            raise _broken("a malformed quantization table")
        steps = body[1:size]
        if not all(steps) if not wide else any(not (steps[i] or steps[i + 1]) for i in range(0, 128, 2)):
            raise _broken("a quantization step of 0")
        body = body[size:]


def _check_huffman(body: bytes) -> None:
    while body:
        count = sum(body[1:17])
        if len(body) < 17 + count or count > 256 or body[0] & 0xEF > 3:
            raise _broken("a malformed Huffman table")
        body = body[17 + count :]


def _check_arithmetic(body: bytes) -> None:
    for number, value in zip(body[0::2], body[1::2], strict=False):
        if number > 31 or (number < 16 and (value & 15) > value >> 4):
            raise _broken("a malformed arithmetic conditioning table")
    if len(body) % 2:
        raise _broken("a malformed arithmetic conditioning table")


def _frame(marker: int, body: bytes, *, jfif: bool, adobe: int | None) -> Frame:
    if marker in _REFUSED_FRAMES:
        raise UnsupportedError(
            "a JPEG made by the discrete cosine transform",
            f"a {_REFUSED_FRAMES[marker]} one",
            "convert it with the program that made it",
        )
    if len(body) < 6 or len(body) != 6 + 3 * body[5]:
        if len(body) > 5 and body[5] not in _READABLE_COMPONENTS:
            raise UnsupportedError("1, 3 or 4 color components", str(body[5]), "the file is damaged or of a rare kind")
        raise _broken("a malformed frame header")
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    if body[0] != 8:
        raise UnsupportedError(
            "8 bits a sample", f"{body[0]} bits", "reduce the file to 8 bits with the program that made it"
        )
    if body[5] not in _READABLE_COMPONENTS:
        raise UnsupportedError("1, 3 or 4 color components", str(body[5]), "the file is damaged or of a rare kind")
    if not width or not height:
        raise UnsupportedError("a width and a height in the header", f"{width}x{height}", "the file is damaged")
    if max(width, height) > _MAX_SIDE:
        raise UnsupportedError(f"at most {_MAX_SIDE} samples a side", f"{width}x{height}", "split the picture")
    components = tuple((body[i], body[i + 1] >> 4, body[i + 1] & 15, body[i + 2]) for i in range(6, len(body), 3))
    if any(not (1 <= h <= 4 and 1 <= v <= 4 and table <= 3) for _, h, v, table in components):
        raise _broken("impossible sampling factors")
    return Frame(_FRAMES[marker], width, height, components, jfif, adobe)


def _check_scan(body: bytes, frame: Frame | None) -> Frame:
    if frame is None:
        raise _broken("a scan before any frame header")
    count = body[0] if body else 0
    rest = iter([component[0] for component in frame.components])
    in_order = all(identifier in rest for identifier in body[1 : 1 + 2 * count : 2])  # as T.81, B.2.3 demands
    if not 1 <= count <= 4 or len(body) != 4 + 2 * count or not in_order:
        raise _broken("a malformed scan header")
    return frame


def walk(file: BinaryIO) -> Frame:
    """Return the frame of a JPEG, having checked every segment before its first scan.

    Args:
        file: positioned at the first byte; read up to the first scan.

    Raises:
        NotAnImageError: not a JPEG at all.
        UnsupportedError: a JPEG of a kind that is refused.
        BrokenImageError: a damaged header.
    """
    start = file.read(3)
    if not start:
        raise NotAnImageError("a JPEG", "an empty file")
    if start[:2] != b"\xff\xd8":
        raise NotAnImageError("a JPEG", "a file of another kind")
    if len(start) < 3 or start[2] != 0xFF:
        raise _broken("nothing of use after the first marker")
    file.seek(-1, 1)
    frame, jfif, adobe = None, False, None
    while True:
        marker = _next_marker(file)
        if marker in _ALONE:
            continue
        if marker in (_SOI, _EOI):
            raise _broken("no picture before the end marker")
        body = _segment(file)
        if marker == _SOS:
            return _check_scan(body, frame)
        if marker in _FRAMES or marker in _REFUSED_FRAMES:
            if frame is not None:
                raise _broken("two frame headers")
            frame = _frame(marker, body, jfif=jfif, adobe=adobe)
        elif marker == _DQT:
            _check_quantization(body)
        elif marker == _DHT:
            _check_huffman(body)
        elif marker == _DAC:
            _check_arithmetic(body)
        elif marker == _DRI and len(body) != 2:
            raise _broken("a malformed restart interval")
        elif marker not in _HARMLESS:
            raise _broken("an unknown marker")
        elif marker == _APP0 and body[:5] == b"JFIF\x00" and len(body) >= _JFIF_LENGTH:
            jfif = True
        elif marker == _APP14 and body[:5] == b"Adobe" and len(body) >= 12:
            adobe = body[11]
        if frame is not None:
            frame = Frame(frame.process, frame.width, frame.height, frame.components, jfif, adobe)
