"""Reading a JPEG: header and metadata through Pillow, coefficients through libjpeg."""

from __future__ import annotations

import contextlib
import os
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import JpegImagePlugin, UnidentifiedImageError

from jpegfilter.codec import coefficients, markers
from jpegfilter.codec.coefficients import Store
from jpegfilter.codec.markers import Frame
from jpegfilter.codec.metadata import Metadata, of_image
from jpegfilter.errors import BrokenImageError, InputError, UnsupportedError
from jpegfilter.jpeg.dct import BLOCK
from jpegfilter.jpeg.image import ColorModel, Component, JpegImage
from jpegfilter.jpeg.types import Table

MAX_PIXELS = 500_000_000
"""Largest picture read by default: its coefficients alone take up to 3 GB."""
MAGIC = b"\xff\xd8\xff"
"""First bytes of every JPEG file."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a JPEG's header says, without its coefficients.

    Attributes:
        process: "baseline", "progressive" and so on.
        width: image width in samples.
        height: image height in samples.
        model: what the components stand for.
        inverted: ink is stored as 255 - ink.
        factors: samples of the image for one of the component, down and across, of each component.
        table_numbers: the quantization table's number of each component.
        tables: quantization tables `[v, u]` by number, as far as they stand in the header.
        metadata: ICC profile, EXIF and so on.
    """

    process: str
    width: int
    height: int
    model: ColorModel
    inverted: bool
    factors: tuple[tuple[int, int], ...]
    table_numbers: tuple[int, ...]
    tables: dict[int, Table]
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class JpegFile:
    """A JPEG read whole.

    Attributes:
        image: coefficients, tables and geometry.
        header: what the header says.
        complaints: what is wrong with the file though it could be read, for people.
        stores: the memory behind the coefficients.
    """

    image: JpegImage
    header: Header
    complaints: tuple[str, ...]
    stores: tuple[Store, ...]

    def give_back(self, row: int) -> None:
        """Return the memory of all blocks that end above image row `row` to the system; their coefficients are lost."""
        for store, component in zip(self.stores, self.image.components, strict=True):
            store.give_back(max(0, row) // (BLOCK * component.down))


def color_model(frame: Frame) -> ColorModel:
    """Return what the components stand for, by the rules all decoders share (libjpeg's default_decompress_parms)."""
    identifiers = tuple(component[0] for component in frame.components)
    if len(identifiers) == 1:
        return ColorModel.GRAY
    if len(identifiers) == 4:
        return ColorModel.YCCK if frame.adobe else ColorModel.CMYK
    if frame.jfif:
        return ColorModel.YCBCR
    if frame.adobe is not None:
        return ColorModel.RGB if frame.adobe == 0 else ColorModel.YCBCR
    return ColorModel.RGB if identifiers == tuple(b"RGB") else ColorModel.YCBCR


def _factors(frame: Frame) -> tuple[tuple[int, int], ...]:
    across, down = (max(component[i] for component in frame.components) for i in (1, 2))
    if len(frame.components) == 1:  # a lone component is never interleaved: its factors mean nothing (T.81, A.2.2)
        return ((1, 1),)
    for _, h, v, _ in frame.components:
        if across % h or down % v:
            raise UnsupportedError(
                "whole sampling ratios", f"{h}x{v} beside {across}x{down}", "convert it with another program"
            )
    return tuple((down // v, across // h) for _, h, v, _ in frame.components)


def read_header(path: Path, *, max_pixels: int = MAX_PIXELS) -> Header:
    """Return what a JPEG's header says.

    Args:
        max_pixels: refuse larger pictures.

    Raises:
        NotAnImageError, BrokenImageError, UnsupportedError: see `errors`.
        InputError: the file cannot be opened.
    """
    try:
        with path.open("rb") as file:
            frame = markers.walk(file)
    except OSError as error:
        raise InputError(
            "a readable file", error.strerror or str(error), "check the name and its permissions"
        ) from error
    if frame.width * frame.height > max_pixels:
        size = f"{frame.width}x{frame.height}"
        raise UnsupportedError(
            f"at most {max_pixels / 1e6:.0f} megapixels", size, "raise the limit if the file is trusted"
        )
    try:
        with warnings.catch_warnings(), JpegImagePlugin.JpegImageFile(path) as image:
            warnings.simplefilter("ignore")
            metadata = of_image(image)
            tables = {number: np.array(steps, np.uint16).reshape(8, 8) for number, steps in image.quantization.items()}
    except (UnidentifiedImageError, SyntaxError, OSError, ValueError, KeyError, IndexError) as error:
        raise BrokenImageError("a whole JPEG header", str(error), "the file is damaged") from error
    model = color_model(frame)
    return Header(
        frame.process, frame.width, frame.height, model, model.has_black and frame.adobe is not None,
        _factors(frame), tuple(component[3] for component in frame.components), tables, metadata,
    )  # fmt: skip


def _blocks(header: Header) -> list[tuple[int, int]]:
    return [
        (-(-header.height // (BLOCK * down)), -(-header.width // (BLOCK * across))) for down, across in header.factors
    ]


def read(path: Path, *, max_pixels: int = MAX_PIXELS) -> JpegFile:
    """Return a JPEG's coefficients and header; a truncated or corrupt one as far as it goes, with complaints.

    Raises:
        NotAnImageError, BrokenImageError, UnsupportedError, InputError: as `read_header`.
    """
    header = read_header(path, max_pixels=max_pixels)
    if os.name == "nt" and not str(path).isascii():  # libjpeg opens files by their names in the system's code page
        with as_file(path.read_bytes()) as copy:
            stores, late_tables, complaints = coefficients.read(copy, _blocks(header))
    else:
        stores, late_tables, complaints = coefficients.read(path, _blocks(header))
    tables = late_tables | header.tables
    missing = sorted(set(header.table_numbers) - set(tables))
    if missing:
        raise BrokenImageError(
            "a quantization table for every component", f"none numbered {missing[0]}", "the file is damaged"
        )
    components = tuple(
        Component(store.coefficients, tables[number], down, across)
        for store, number, (down, across) in zip(stores, header.table_numbers, header.factors, strict=True)
    )
    image = JpegImage(header.width, header.height, header.model, header.inverted, components)
    return JpegFile(image, header, tuple(complaints), tuple(stores))


@contextlib.contextmanager
def as_file(content: bytes) -> Iterator[Path]:
    """Lend a temporary file with `content`, for readers that want a path."""
    handle, name = tempfile.mkstemp(prefix="jpegfilter-", suffix=".jpg")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        yield Path(name)
    finally:
        Path(name).unlink()
