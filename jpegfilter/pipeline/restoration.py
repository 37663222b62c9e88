"""The way of one picture: decode, restore, project, blend, convert, tile by tile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jpegfilter.codec.canvas import Canvas
from jpegfilter.codec.read import JpegFile
from jpegfilter.engines.contract import Engine
from jpegfilter.errors import UsageError
from jpegfilter.jpeg import bounds, color, decode
from jpegfilter.jpeg.bounds import Doubt
from jpegfilter.jpeg.dct import BLOCK
from jpegfilter.jpeg.decode import Region
from jpegfilter.jpeg.image import JpegImage
from jpegfilter.jpeg.types import Floats, Pixels
from jpegfilter.pipeline import components, tiling
from jpegfilter.pipeline.told import Quality, Told, of_jpeg, of_pixels

Progress = Callable[[float], None]
"""Called with the share of the picture that is done, 0 to 1."""
_MIN_TILE = 64
_MIRRORED = 24
"""Samples of the mirror image that a network is shown beyond a picture's borders, lest its zero padding darken them."""
_CELL = 4
"""Samples by which chroma's interpolation looks beyond its own cell, at the most."""


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """How one picture is restored.

    Attributes:
        strength: 0 returns the plain decode, 1 the restored picture, and what lies between a blend.
        project: keep every coefficient inside the interval that the file states for it, if the network was told the
            file's own tables: an earlier compression has moved the picture out of them.
        quality: what the network is told of the picture's quality: the file's tables unless the picture shows traces
            of an earlier, coarser compression ("auto"); the file's tables ("header"); or those of an IJG quality.
        tile: largest side of a tile in samples.
        bits: 8 or 16 bits a sample of the result.
        doubt: follow the network less, the finer a coefficient's step is (see `jpeg.bounds.trust`); with `project`.
        grain: share, 0 to 1, of the recorded detail of the luma that is kept as it is (see `jpeg.bounds.keep_detail`).
    """

    strength: float = 1.0
    project: bool = True
    quality: Quality = "auto"
    tile: int = 768
    bits: int = 8
    doubt: bool = True
    grain: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise UsageError("a strength of 0 to 1", f"{self.strength:g}", "0 changes nothing, 1 restores fully")
        if not 0 <= self.grain <= 1:
            raise UsageError("a share of grain of 0 to 1", f"{self.grain:g}", "0 keeps none, 1 all that is there")
        if self.quality not in ("auto", "header", *range(1, 101)):
            raise UsageError("a quality of 1 to 100, auto or header", str(self.quality), "auto looks for itself")
        if self.tile < _MIN_TILE:
            raise UsageError(f"tiles of at least {_MIN_TILE} samples", str(self.tile), "larger tiles are faster")
        if self.bits not in (8, 16):
            raise UsageError("8 or 16 bits", str(self.bits), "choose one of them")


def _states_samples(image: JpegImage) -> bool:
    """Return whether a file states its samples nearly as they were: whole numbers, each with a coefficient, steps of 1.

    What is restored errs by less than half a step of a sample then, and rounding takes that away too. At steps of 2, or
    where chroma has fewer samples, it would rather add to the error (measured in benchmarks/quality.md).
    """
    return all(part.down == part.across == 1 and (part.table == 1).all() for part in image.components)


def _project(planes: Floats, image: JpegImage, region: Region, doubt: Doubt | None) -> Floats:
    """Return component planes of a region, each projected onto its intervals where it has blocks.

    Rounded after that where the file states its samples.
    """
    out = planes.copy()
    for index, (plane, component) in enumerate(zip(out, image.components, strict=True)):
        part = decode.cut(component, region)
        rows, columns = part.coefficients.shape[:2]
        inside = np.s_[: rows * 8 * component.down, : columns * 8 * component.across]
        is_chroma = image.model.is_luma_chroma and index in (1, 2)
        doubted = doubt.of(int(is_chroma)) if doubt else None
        plane[inside] = bounds.project(np.ascontiguousarray(plane[inside]), part, doubt=doubted)
    return np.rint(out, out=out) if _states_samples(image) else out


def _reach(engine: Engine) -> int:
    """Return the engine's halo in whole cells of its own."""
    return -(-engine.halo // engine.multiple) * engine.multiple


def _wanted(engine: Engine, region: Region, told: Told, size: tuple[int, int]) -> Region:
    """Return what the network must see for a region: its halo too, from the edge of a block as it is told of them.

    Args:
        size: height and width of the picture, beyond whose borders it is shown little of the mirror image.
    """
    border = -(-_MIRRORED // engine.multiple) * engine.multiple
    wide = tiling.common(tiling.around(region, by=_reach(engine)), tiling.around(Region(0, 0, *size), by=border))
    top, left = (wide.top - told.top) % BLOCK, (wide.left - told.left) % BLOCK
    return Region(wide.top - top, wide.left - left, wide.bottom, wide.right)


def _run(
    engine: Engine, picture: Floats, region: Region, wanted: Region, seen: Region, told: Told, *, grain: float
) -> Floats:
    """Return the restored region of a picture `(3 or 1, H, W)` that covers `seen`: what of `wanted` lies inside it."""
    whole = tiling.mirror(picture, wanted, seen, multiple=engine.multiple)
    restored = engine.restore(whole, told.tables)
    if grain:
        rows, columns = (side // BLOCK * BLOCK for side in restored.shape[1:])
        luma = np.ascontiguousarray(restored[0, :rows, :columns]), np.ascontiguousarray(whole[0, :rows, :columns])
        restored = restored.copy()
        restored[0, :rows, :columns] = bounds.keep_detail(*luma, told.tables[0], share=grain)
    return restored[:, *tiling.window(region, wanted)]


def restore_region(image: JpegImage, region: Region, engine: Engine, options: RestoreOptions, told: Told) -> Floats:
    """Return the restored components of a region, `(C, H, W)`, level-shifted, not rounded.

    Args:
        region: edges are multiples of the MCU and of the engine's multiple, or the grid's own.
        told: what the network is told of the picture.
    """
    height, width = image.grid
    wide = tiling.widen(region, by=_reach(engine) + BLOCK + _CELL, step=image.mcu, height=height, width=width)
    planes = decode.planes(image, wide)
    plain = planes[:, *tiling.window(region, wide)]
    if options.strength == 0:
        return plain
    wanted = _wanted(engine, region, told, image.grid)
    seen = tiling.within(wanted, height=height, width=width)
    pictures = components.to_pictures(planes[:, *tiling.window(seen, wide)], image)
    restored = components.from_pictures(
        [_run(engine, p, region, wanted, seen, told, grain=options.grain) for p in pictures], image
    )
    if options.project and told.from_file:
        restored = _project(restored, image, region, engine.doubt if options.doubt else None)
    if options.strength < 1:
        restored = plain + np.float32(options.strength) * (restored - plain)
    return restored


def tiles_of_jpeg(image: JpegImage, engine: Engine, options: RestoreOptions) -> list[Region]:
    """Return the regions that a JPEG is restored by, from top to bottom; the last reach to its grid's edges."""
    step = tiling.common_step(image.mcu, engine.multiple)
    return list(tiling.tiles(*image.grid, side=options.tile, step=step))


def restore_jpeg(
    file: JpegFile,
    engine: Engine,
    options: RestoreOptions,
    progress: Progress | None = None,
    *,
    told: Told | None = None,
    again: bool = False,
) -> Canvas:
    """Return the restored picture of a JPEG.

    The file's coefficients are given back to the system as they are used up: a file is restored once.

    Args:
        file: with its coefficients.
        engine: what restores.
        options: how.
        progress: told the share that is done.
        told: what the network is told; otherwise what the options say or the file shows.
        again: keep the coefficients: the file will be restored again.
    """
    image = file.image
    canvas = Canvas(image.width, image.height, channels=components.channels(image.model), bits=options.bits)
    height, width = image.grid
    told = told or of_jpeg(image, options.quality if options.strength else "header")  # nobody is told at strength 0
    done = 0
    for region in tiles_of_jpeg(image, engine, options):
        planes = restore_region(image, region, engine, options, told)
        planes = planes[:, : image.height - region.top, : image.width - region.left]
        pixels = color.to_pixels(components.to_output(planes, image), bits=options.bits)
        canvas.paste(pixels, top=region.top, left=region.left)
        done += region.height * region.width
        if region.right == width and not again:
            file.give_back(region.bottom - image.mcu[0] * (3 + _reach(engine) // image.mcu[0]))
        if progress:
            progress(done / (height * width))
    return canvas


def restored_pixels(pixels: Pixels, region: Region, engine: Engine, options: RestoreOptions, told: Told) -> Floats:
    """Return the restored planes of a region of pixels `(H, W, C)`."""
    height, width, channels = pixels.shape
    wanted = _wanted(engine, region, told, (height, width))
    seen = tiling.within(wanted, height=height, width=width)
    plain = color.from_pixels(pixels[seen.top : seen.bottom, seen.left : seen.right])
    gray = channels == 1
    picture = plain if gray else color.ycbcr_from_rgb(plain)
    restored = _run(engine, picture, region, wanted, seen, told, grain=options.grain)
    restored = restored if gray else color.rgb_from_ycbcr(restored)
    plain = plain[:, *tiling.window(region, seen)]
    blend: Floats = plain + np.float32(options.strength) * (restored - plain)
    return blend


def tiles_of_pixels(pixels: Pixels, engine: Engine, options: RestoreOptions) -> list[Region]:
    """Return the regions that pixels `(H, W, C)` are restored by, from top to bottom."""
    height, width = pixels.shape[:2]
    step = engine.multiple * 8
    grid = (-(-height // step) * step, -(-width // step) * step)
    tiles = tiling.tiles(*grid, side=options.tile, step=(step, step))
    return [tiling.within(tile, height=height, width=width) for tile in tiles]


def restore_pixels(
    pixels: Pixels,
    engine: Engine,
    options: RestoreOptions,
    progress: Progress | None = None,
    *,
    told: Told | None = None,
) -> tuple[Canvas, bool]:
    """Return restored pixels that came without their JPEG file, and whether there was anything to restore.

    There are no coefficients, so there is no projection. Pixels that show no trace of a compression stay as they are.

    Args:
        pixels: `(H, W, 1)` or `(H, W, 3)`, 8 or 16 bits.
        told: what the network is told; otherwise what the options say or the pixels show.
    """
    told = told or of_pixels(pixels, options.quality)
    height, width, channels = pixels.shape
    canvas = Canvas(width, height, channels=channels, bits=options.bits)
    done = 0
    for region in tiles_of_pixels(pixels, engine, options):
        if told is None or options.strength == 0:
            plain = pixels[region.top : region.bottom, region.left : region.right]
            canvas.paste(color.to_depth(plain, bits=options.bits), top=region.top, left=region.left)
        else:
            planes = restored_pixels(pixels, region, engine, options, told)
            canvas.paste(color.to_pixels(planes, bits=options.bits), top=region.top, left=region.left)
        done += region.height * region.width
        if progress:
            progress(done / (height * width))
    return canvas, told is not None
