"""Photographs, the files that encoders make of them, and engines that show what they are given."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import jpeglib
import numpy as np
import pytest
from PIL import Image
from skimage import data

from jpegfilter.engines.network import EngineOptions, open_network
from jpegfilter.jpeg.bounds import Doubt
from jpegfilter.pipeline.restorer import Restorer

QUALITY = 15
_ENGINE = EngineOptions(device="cpu", threads=1)


@pytest.fixture(scope="session")
def photo():
    """RGB; neither side a multiple of 8, and more than two tiles of 64 samples each way."""
    return np.ascontiguousarray(data.astronaut()[20:171, 60:267])


@pytest.fixture(scope="session")
def gray_photo():
    return np.ascontiguousarray(data.camera()[60:211, 150:357])


@pytest.fixture(scope="session")
def large_photo():
    """RGB, large enough for its mean color to be its own and not its quantizer's."""
    return data.astronaut()


def _pillow(pixels, quality=QUALITY, *, mode="RGB", **options):
    file = io.BytesIO()
    image = Image.fromarray(pixels)
    (image if image.mode == mode else image.convert(mode)).save(file, "JPEG", quality=quality, **options)
    return file.getvalue()


@pytest.fixture(scope="session")
def encode():
    """`encode(pixels, quality, mode="RGB" | "L" | "CMYK", **Pillow's options)`: the bytes of a JPEG."""
    return _pillow


def _jpeglib(path, pixels, factors, *, spaces=(jpeglib.JCS_RGB, jpeglib.JCS_YCbCr)):
    image = jpeglib.from_spatial(pixels, spaces[0])
    image.jpeg_color_space = spaces[1]
    image.samp_factor = factors
    image.write_spatial(str(path), qt=30)


KINDS = ("4:2:0", "4:2:2", "4:4:4", "4:1:1", "4:4:0", "4:1:0", "1x3", "gray", "RGB", "CMYK", "YCCK", "progressive")
"""Every way in which the file of `jpegs` differ, by the name of its file."""
_CHROMA = ((1, 1), (1, 1))


@pytest.fixture(scope="session")
def jpegs(tmp_path_factory, photo):
    """The photo as every kind of file, by name."""
    folder = tmp_path_factory.mktemp("kinds")
    paths = {name: folder / f"{name.replace(':', '')}.jpg" for name in KINDS}
    for number, name in enumerate(("4:4:4", "4:2:2", "4:2:0")):
        paths[name].write_bytes(_pillow(photo, subsampling=number))
    paths["progressive"].write_bytes(_pillow(photo, subsampling=2, progressive=True))
    paths["gray"].write_bytes(_pillow(photo, mode="L"))
    paths["RGB"].write_bytes(_pillow(photo, keep_rgb=True))
    paths["CMYK"].write_bytes(_pillow(photo, mode="CMYK"))
    for name, luma in (("4:1:1", (1, 4)), ("4:4:0", (2, 1)), ("4:1:0", (2, 4)), ("1x3", (1, 3))):
        _jpeglib(paths[name], photo, (luma, *_CHROMA))
    inks = 255 - np.asarray(Image.fromarray(photo).convert("CMYK"))
    factors = ((2, 2), *_CHROMA, (2, 2))
    _jpeglib(paths["YCCK"], inks, factors, spaces=(jpeglib.JCS_CMYK, jpeglib.JCS_YCCK))
    return paths


@dataclass
class Recorder:
    """An engine that gives back what it gets, moved by a constant, and keeps what it was given."""

    halo: int = 18
    multiple: int = 2
    shift: float = 0.0
    description: str = "a probe"
    doubt: Doubt | None = None
    seen: list = field(default_factory=list)
    told: list = field(default_factory=list)

    def restore(self, planes, tables):
        self.seen.append(planes)
        self.told.append(tables)
        return planes + np.float32(self.shift)


@dataclass
class Blur:
    """An engine whose halo is known: each sample becomes the mean of the square of side `2 halo + 1` about it."""

    halo: int
    multiple: int
    description: str = "a blur"
    doubt: Doubt | None = None

    def restore(self, planes, tables):
        _, height, width = planes.shape
        assert height % self.multiple == width % self.multiple == 0
        sides = ((0, 0), (self.halo + 1, self.halo), (self.halo + 1, self.halo))
        sums = np.pad(planes.astype(np.float64), sides).cumsum(1).cumsum(2)
        reach = 2 * self.halo + 1
        total = (
            sums[:, reach:, reach:] - sums[:, :-reach, reach:] - sums[:, reach:, :-reach] + sums[:, :-reach, :-reach]
        )
        return (total / reach**2).astype(np.float32)


@dataclass
class Squares:
    """An engine that sees blocks of 8 from the first sample on: each becomes its mean."""

    multiple: int = 8
    halo: int = 7
    description: str = "a mosaic"
    doubt: Doubt | None = None

    def restore(self, planes, tables):
        channels, height, width = planes.shape
        assert height % self.multiple == width % self.multiple == 0
        framed = np.pad(planes.astype(np.float64), ((0, 0), (0, -height % 8), (0, -width % 8)), "edge")
        rows, columns = framed.shape[1] // 8, framed.shape[2] // 8
        means = framed.reshape(channels, rows, 8, columns, 8).mean((2, 4))
        return means.repeat(8, 1).repeat(8, 2)[:, :height, :width].astype(np.float32)


@pytest.fixture
def squares():
    """The class `Squares`."""
    return Squares


@pytest.fixture
def recorder():
    """The class `Recorder`."""
    return Recorder


@pytest.fixture
def blur():
    """The class `Blur`."""
    return Blur


@pytest.fixture(scope="session")
def shifted():
    """`shifted(pixels, quality, top=3, left=5)`: as they are shown after a compression whose blocks begin there."""

    def shift(pixels, quality, top=3, left=5):
        file = io.BytesIO(_pillow(pixels, quality, mode="RGB" if pixels.ndim == 3 else "L"))
        return np.ascontiguousarray(np.asarray(Image.open(file))[-top % 8 :, -left % 8 :])

    return shift


@pytest.fixture(scope="session")
def network():
    return open_network(_ENGINE)


@pytest.fixture(scope="session")
def restorer():
    return Restorer(_ENGINE)


def _decibels(restored, reference):
    error = np.mean((np.asarray(restored, np.float64) - np.asarray(reference, np.float64)) ** 2)
    return 10 * np.log10(255**2 / error)


@pytest.fixture(scope="session")
def decibels():
    """PSNR by its definition."""
    return _decibels
