"""A layer of an image editor: restored from its JPEG file while it still shows just that, otherwise from its pixels."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from jpegfilter.codec import read
from jpegfilter.engines.contract import Engine
from jpegfilter.errors import InputError
from jpegfilter.jpeg import sampling, tables
from jpegfilter.jpeg.types import Floats, Pixels, Table
from jpegfilter.pipeline.restoration import Progress, RestoreOptions, restore_jpeg, restore_pixels
from jpegfilter.pipeline.told import Told, jpeg_past, of_jpeg, of_pixels, pixels_past

_NEAR = 4
"""Levels by which an editor's own decode of a JPEG may differ from ours: GIMP's is up to 3 off, in a few samples."""
_DRIFT = 1.5
"""Levels by which the mean of a square of `_SQUARE` samples may differ: a tie of rounding is 1, an edit more."""
_SQUARE = 8
_ALIKE = 0.9
"""Correlation with its file's picture of a layer that was edited, but is still that picture."""
_KIN = 3
"""Qualities by which tables that an editor remembers may differ from those that its pixels show traces of."""

_NOTHING = "no trace of JPEG compression was found; choose a quality to restore it nonetheless"


@dataclass(frozen=True, slots=True)
class Layer:
    """What an editor knows of a layer.

    Attributes:
        samples: `(H, W, C)`, uint8, or float32 where 0..1 is black to white; two and four channels end with opacity.
        file: the file that it was read from, if it was.
        tables: of luma and chroma, of the JPEG that it was read from, if the editor remembers them.
    """

    samples: Pixels | Floats
    file: Path | None = None
    tables: tuple[Table, Table] | None = None

    @property
    def colors(self) -> int:
        """Channels without opacity."""
        return 3 if self.samples.shape[2] > 2 else 1

    def pixels(self) -> Pixels:
        """Return the colors as 8-bit pixels, or as 16-bit ones of float samples; what lies beyond 0..1 is clipped."""
        colors = self.samples[..., : self.colors]
        if colors.dtype == np.uint8:
            return np.ascontiguousarray(colors, np.uint8)
        levels: Floats = np.clip(np.nan_to_num(colors), 0, 1) * np.float32(65535)
        return np.rint(levels).astype(np.uint16)


@dataclass(frozen=True, slots=True)
class Basis:
    """What a layer is restored from.

    Attributes:
        kind: its file's coefficients; its pixels and the tables that the editor remembers; its pixels alone; or
            nothing, because there is nothing to restore.
        text: the same for people, one sentence.
        file: the file, where that is it.
        told: what the network is told, where that are pixels.
        orientation: the EXIF orientation by which the editor turned the file's picture; 1 is not at all.
    """

    kind: Literal["file", "tables", "pixels", "nothing"]
    text: str
    file: Path | None = None
    told: Told | None = None
    orientation: int = 1


def turned(pixels: Pixels, orientation: int) -> Pixels:
    """Return pixels `(H, W, C)` as an EXIF orientation 1..8 wants them seen (CIPA DC-008, 4.6.4)."""
    if orientation in (2, 3, 7, 8):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 6, 7):
        pixels = pixels[::-1]
    return pixels.swapaxes(0, 1) if orientation >= 5 else pixels


def _is_unchanged(pixels: Pixels, plain: Pixels) -> bool:
    """Return whether a layer's pixels are a file's, as far as two decoders agree."""
    scale = np.float32(1 / 257 if pixels.dtype == np.uint16 else 1)
    for top in range(0, len(plain), 64 * _SQUARE):
        rows = slice(top, top + 64 * _SQUARE)
        difference = pixels[rows] * scale - plain[rows].astype(np.float32)
        if np.abs(difference).max() > _NEAR:
            return False
        squares = np.add.reduceat(difference, np.arange(0, len(difference), _SQUARE), axis=0)
        squares = np.add.reduceat(squares, np.arange(0, plain.shape[1], _SQUARE), axis=1)
        if np.abs(squares).max() > _DRIFT * _SQUARE**2:
            return False
    return True


def _is_alike(pixels: Pixels, plain: Pixels) -> bool:
    """Return whether a layer's pixels are a file's with an edit of colors or in places."""
    one, other = (np.asarray(picture[::4, ::4], np.float64).mean(2).ravel() for picture in (pixels, plain))
    if not one.std() or not other.std():
        return False
    return bool(np.corrcoef(one, other)[0, 1] > _ALIKE)


def _of_file(layer: Layer, engine: Engine) -> Basis | None:
    """Return the file as what a layer is restored from, or its tables and blocks, if the layer still is its picture."""
    if layer.file is None:
        return None
    try:
        file = read.read(layer.file)
    except (InputError, OSError):
        return None  # gone, or no JPEG (any more): the pixels are still there
    image, chroma = file.image, file.header.factors[1:3]
    if {image.height, image.width} != set(layer.samples.shape[:2]):
        return None
    past = jpeg_past(image)
    tables_told = of_jpeg(image, "header").tables
    plain = restore_jpeg(file, engine, RestoreOptions(strength=0)).pixels()
    pixels = layer.pixels()
    orientation = file.header.metadata.orientation or 1
    for way in sorted({1, orientation}):
        seen = turned(plain, way)
        if seen.shape != pixels.shape or not _is_unchanged(pixels, seen):
            continue
        subsampled = f", {sampling.name(*chroma[0])}" if chroma and len(set(chroma)) == 1 else ""
        before = f", saved before at about {past.quality}" if past else ""
        quality = tables.estimate_quality(tables_told[0])
        text = f"from the file {layer.file.name} (quality {quality}{subsampled}{before})"
        return Basis("file", text, layer.file, orientation=way)
    if past is None and plain.shape == pixels.shape and _is_alike(pixels, plain):
        text = f"from the pixels, with the tables and blocks of {layer.file.name}, which they no longer are exactly"
        return Basis("tables", text, told=Told(tables_told))
    return None


def basis(layer: Layer, engine: Engine, options: RestoreOptions) -> Basis:
    """Return what a layer is to be restored from."""
    if isinstance(options.quality, int):
        told = of_pixels(layer.pixels(), options.quality)
        return Basis("pixels", f"from the pixels, as quality {options.quality}", told=told)
    of_file = _of_file(layer, engine)
    if of_file is not None and of_file.kind == "file":
        return of_file
    past = pixels_past(layer.pixels())
    if past is None:
        return of_file or Basis("nothing", _NOTHING)
    grid = f"blocks at {past.left}, {past.top}"
    if layer.tables is not None and abs(tables.estimate_quality(layer.tables[0]) - past.quality) <= _KIN:
        told = Told(layer.tables, past.top, past.left)
        return Basis("tables", f"from the pixels, with the tables of the JPEG opened ({grid})", told=told)
    luma, chroma = (tables.ijg_table(base, past.quality) for base in (tables.LUMA, tables.CHROMA))
    text = f"from the pixels, which look like quality {past.quality} ({grid})"
    return Basis("pixels", text, told=Told((luma, chroma), past.top, past.left))


def restore_layer(
    layer: Layer, found: Basis, engine: Engine, options: RestoreOptions, progress: Progress | None = None
) -> Pixels | Floats:
    """Return a layer's samples restored, in the kind they came in; opacity stays.

    Float samples beyond 0..1 keep what they are beyond it, and what nothing was changed of stays exactly as it is.

    Raises:
        InputError: the file can no longer be read.
    """
    out = layer.samples.copy()
    if found.kind == "nothing":
        return out
    options = dataclasses.replace(options, bits=8 if out.dtype == np.uint8 else 16)
    if found.file is not None:
        restored = turned(restore_jpeg(read.read(found.file), engine, options, progress).pixels(), found.orientation)
        before = None
    else:
        before = layer.pixels()
        restored = restore_pixels(before, engine, options, progress, told=found.told)[0].pixels()
    colors = out[..., : layer.colors]
    if out.dtype == np.uint8:
        colors[...] = restored
    elif before is None:
        colors[...] = restored / np.float32(65535)
    else:
        colors += (restored.astype(np.float32) - before) / np.float32(65535)
    return out
