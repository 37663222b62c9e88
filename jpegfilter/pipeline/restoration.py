"""The way of one picture: decode, restore, project, blend, convert, tile by tile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from jpegfilter.codec.canvas import Canvas
from jpegfilter.codec.read import JpegFile
from jpegfilter.engines.contract import Engine
from jpegfilter.errors import UsageError
from jpegfilter.jpeg import bounds, color, decode, tables
from jpegfilter.jpeg.decode import Region
from jpegfilter.jpeg.image import JpegImage
from jpegfilter.jpeg.types import Floats, Pixels, Table
from jpegfilter.pipeline import components, tiling

Progress = Callable[[float], None]
"""Called with the share of the picture that is done, 0 to 1."""
_MIN_TILE = 64
_CELL = 4
"""Samples by which chroma's interpolation looks beyond its own cell, at the most."""


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """How one picture is restored.

    Attributes:
        strength: 0 returns the plain decode, 1 the restored picture, and what lies between a blend.
        project: keep every coefficient inside the interval that the file states for it.
        quality: IJG quality whose tables the network is told, for files whose header lies; None tells it the file's.
        tile: largest side of a tile in samples.
        bits: 8 or 16 bits a sample of the result.
        doubt: follow the network less, the finer a coefficient's step is (see `jpeg.bounds.trust`); with `project`.
    """

    strength: float = 1.0
    project: bool = True
    quality: int | None = None
    tile: int = 768
    bits: int = 8
    doubt: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise UsageError("a strength of 0 to 1", f"{self.strength:g}", "0 changes nothing, 1 restores fully")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise UsageError("a quality of 1 to 100", str(self.quality), "leave it out to believe the file")
        if self.tile < _MIN_TILE:
            raise UsageError(f"tiles of at least {_MIN_TILE} samples", str(self.tile), "larger tiles are faster")
        if self.bits not in (8, 16):
            raise UsageError("8 or 16 bits", str(self.bits), "choose one of them")


def _told_tables(image: JpegImage, options: RestoreOptions) -> list[Table]:
    """Return the tables of luma and chroma that the network is told."""
    if options.quality is not None:
        return [tables.ijg_table(base, options.quality) for base in (tables.LUMA, tables.CHROMA)]
    return [image.components[0].table, image.components[min(1, len(image.components) - 1)].table]


def _project(planes: Floats, image: JpegImage, region: Region, doubt: Floats | None) -> Floats:
    """Return component planes of a region, each projected onto its intervals where it has blocks."""
    out = planes.copy()
    for index, (plane, component) in enumerate(zip(out, image.components, strict=True)):
        part = decode.cut(component, region)
        rows, columns = part.coefficients.shape[:2]
        inside = np.s_[: rows * 8 * component.down, : columns * 8 * component.across]
        is_chroma = image.model.is_luma_chroma and index in (1, 2)
        doubted = doubt[int(is_chroma)] if doubt is not None else None
        plane[inside] = bounds.project(np.ascontiguousarray(plane[inside]), part, doubt=doubted)
    return out


def _reach(engine: Engine) -> int:
    """Return the engine's halo in whole cells of its own."""
    return -(-engine.halo // engine.multiple) * engine.multiple


def _run(engine: Engine, picture: Floats, region: Region, seen: Region, told: Sequence[Table]) -> Floats:
    """Return the restored region of a picture `(3, H, W)` that covers `seen`: the region with its halo."""
    reach = _reach(engine)
    whole = tiling.mirror(picture, tiling.around(region, by=reach), seen, multiple=engine.multiple)
    restored = engine.restore(whole, told)
    return restored[:, reach : reach + region.height, reach : reach + region.width]


def restore_region(image: JpegImage, region: Region, engine: Engine, options: RestoreOptions) -> Floats:
    """Return the restored components of a region, `(C, H, W)`, level-shifted, not rounded.

    Args:
        region: edges are multiples of the MCU and of the engine's multiple, or the grid's own.
    """
    height, width = image.grid
    wide = tiling.widen(region, by=_reach(engine) + _CELL, step=image.mcu, height=height, width=width)
    planes = decode.planes(image, wide)
    plain = planes[:, *tiling.window(region, wide)]
    if options.strength == 0:
        return plain
    seen = tiling.within(tiling.around(region, by=_reach(engine)), height=height, width=width)
    told = _told_tables(image, options)
    pictures = components.to_pictures(planes[:, *tiling.window(seen, wide)], image)
    restored = components.from_pictures([_run(engine, p, region, seen, told) for p in pictures], image)
    if options.project:
        restored = _project(restored, image, region, engine.doubt if options.doubt else None)
    if options.strength < 1:
        restored = plain + np.float32(options.strength) * (restored - plain)
    return restored


def restore_jpeg(file: JpegFile, engine: Engine, options: RestoreOptions, progress: Progress | None = None) -> Canvas:
    """Return the restored picture of a JPEG.

    The file's coefficients are given back to the system as they are used up: a file is restored once.
    """
    image = file.image
    canvas = Canvas(image.width, image.height, channels=components.channels(image.model), bits=options.bits)
    height, width = image.grid
    step = tiling.common_step(image.mcu, engine.multiple)
    done = 0
    for region in tiling.tiles(height, width, side=options.tile, step=step):
        planes = restore_region(image, region, engine, options)
        planes = planes[:, : image.height - region.top, : image.width - region.left]
        pixels = color.to_pixels(components.to_output(planes, image), bits=options.bits)
        canvas.paste(pixels, top=region.top, left=region.left)
        done += region.height * region.width
        if region.right == width:
            file.give_back(region.bottom - image.mcu[0] * (2 + _reach(engine) // image.mcu[0]))
        if progress:
            progress(done / (height * width))
    return canvas


def restore_pixels(pixels: Pixels, engine: Engine, options: RestoreOptions, told: Sequence[Table]) -> Canvas:
    """Return restored pixels that came without their JPEG file: no coefficients, so no projection.

    Args:
        pixels: `(H, W, 1)` or `(H, W, 3)`, 8 or 16 bits.
        told: tables of luma and chroma, for networks that read them.
    """
    height, width, channels = pixels.shape
    canvas = Canvas(width, height, channels=channels, bits=options.bits)
    step = (engine.multiple * 8, engine.multiple * 8)
    for tile in tiling.tiles(
        -(-height // step[0]) * step[0], -(-width // step[1]) * step[1], side=options.tile, step=step
    ):
        region = tiling.within(tile, height=height, width=width)
        seen = tiling.within(tiling.around(region, by=_reach(engine)), height=height, width=width)
        plain = color.from_pixels(pixels[seen.top : seen.bottom, seen.left : seen.right])
        gray = channels == 1
        picture = (
            np.concatenate((plain, np.zeros_like(plain), np.zeros_like(plain))) if gray else color.ycbcr_from_rgb(plain)
        )
        restored = _run(engine, picture, region, seen, told)
        restored = restored[:1] if gray else color.rgb_from_ycbcr(restored)
        plain = plain[:, *tiling.window(region, seen)]
        blend = plain + np.float32(options.strength) * (restored - plain)
        canvas.paste(color.to_pixels(blend, bits=options.bits), top=region.top, left=region.left)
    return canvas
