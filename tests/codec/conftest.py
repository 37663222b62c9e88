"""A small photograph, files of it, byte surgery on them, and metadata."""

import io
import struct
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms
from skimage import data

from jpegfilter.codec.metadata import Metadata

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'

DAMAGED_EXIF = {
    "cut in the header": b"Exif\0\0II*\0",
    "no TIFF": b"Exif\0\0" + bytes(range(200)),
    "no header": b"junkjunkjunk",
    "empty": b"Exif\0\0",
    "cut directory": b"Exif\0\0II*\0\x08\0\0\0\x20\0\x12\x01\x03\0\x01\0\0\0\x06\0",
    "directory far away": b"Exif\0\0II*\0\xff\xff\xff\x7f",
    "value far away": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x0f\x01\x02\0\xff\xff\xff\x7f\x08\0\0\0\0\0\0\0",
    "directory in itself": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0",
}


@pytest.fixture(scope="session")
def photo() -> NDArray[np.uint8]:
    """RGB, 41 rows of 49 samples."""
    return np.ascontiguousarray(data.astronaut()[90:131, 200:249])


@pytest.fixture(scope="session")
def encoded(photo) -> Callable[..., bytes]:
    """Return what Pillow makes of the photograph, in a mode and with options of Pillow's."""

    def encode(mode: str = "RGB", **options: object) -> bytes:
        file = io.BytesIO()
        Image.fromarray(photo).convert(mode).save(file, "JPEG", **({"quality": 40} | options))
        return file.getvalue()

    return encode


class Surgery:
    """A JPEG as a list of `(marker, body)` up to and with its first scan's header, and the rest."""

    def __init__(self, content: bytes) -> None:
        self.segments: list[tuple[int, bytes]] = []
        at = 2
        while True:
            marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
            self.segments.append((marker, content[at + 4 : at + 2 + length]))
            at += 2 + length
            if marker == 0xDA:
                break
        self.rest = content[at:]

    def index(self, marker: int) -> int:
        return next(i for i, segment in enumerate(self.segments) if segment[0] == marker)

    def body(self, marker: int) -> bytes:
        return self.segments[self.index(marker)][1]

    def replaced(self, marker: int, body: bytes, *, by: int | None = None) -> "Surgery":
        """Give the first segment of a marker another body, and `by` for its marker."""
        self.segments[self.index(marker)] = (marker if by is None else by, body)
        return self

    def patched(self, marker: int, at: int, value: int) -> "Surgery":
        """Change one byte of the first segment of a marker."""
        body = bytearray(self.body(marker))
        body[at] = value
        return self.replaced(marker, bytes(body))

    def without(self, *markers: int) -> "Surgery":
        self.segments = [segment for segment in self.segments if segment[0] not in markers]
        return self

    def inserted(self, marker: int, body: bytes, *, before: int = 0xDA) -> "Surgery":
        self.segments.insert(self.index(before), (marker, body))
        return self

    @property
    def header(self) -> bytes:
        parts = (b"\xff" + bytes([m]) + struct.pack(">H", len(body) + 2) + body for m, body in self.segments)
        return b"\xff\xd8" + b"".join(parts)

    def __bytes__(self) -> bytes:
        return self.header + self.rest


@pytest.fixture(scope="session")
def surgery() -> type[Surgery]:
    return Surgery


@pytest.fixture(scope="session")
def metadata() -> Metadata:
    """One of everything; EXIF in three directories, as a camera writes it."""
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation
    exif[0x010F] = "Camera & Sons"  # Make
    exif.get_ifd(0x8769).update({0x829A: (1, 200), 0x9000: b"0231", 0x927C: b"maker's note"})
    exif.get_ifd(0x8825).update({1: "N", 2: (50.0, 3.0, 2.0)})
    return Metadata(
        icc=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        exif=b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0"),
        xmp=XMP,
        dpi=(300.0, 300.0),
        comment="Schöne Grüße".encode(),
    )


@pytest.fixture(params=DAMAGED_EXIF.values(), ids=DAMAGED_EXIF)
def damaged_exif(request) -> bytes:
    """EXIF data in which Pillow finds something wrong, each in its own way."""
    return request.param
