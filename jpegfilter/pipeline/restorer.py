"""The Python interface: a reusable object for many pictures and a function for one."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image
from threadpoolctl import ThreadpoolController

from jpegfilter.codec import read, write
from jpegfilter.codec.canvas import Canvas
from jpegfilter.codec.metadata import Metadata, of_image
from jpegfilter.codec.read import JpegFile
from jpegfilter.codec.write import WriteOptions
from jpegfilter.engines.contract import Engine
from jpegfilter.engines.network import EngineOptions, open_network
from jpegfilter.errors import UsageError
from jpegfilter.jpeg import tables
from jpegfilter.jpeg.types import Pixels
from jpegfilter.pipeline.restoration import Progress, RestoreOptions, restore_jpeg, restore_pixels

Source: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | np.ndarray[Any, Any]"
"""A JPEG's path or content, or pixels that were a JPEG once."""
_PIXEL_QUALITY = 50
"""Quality a network is told of pixels that came without a file and without a word about it."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one file.

    Attributes:
        width: in samples.
        height: in samples.
        notes: complaints about the input and losses in the output, for people.
    """

    width: int
    height: int
    notes: tuple[str, ...] = field(default=())


def _as_pixels(source: Image.Image | np.ndarray[Any, Any]) -> Pixels:
    """Return 8- or 16-bit pixels `(H, W, 1 or 3)`; raises `UsageError` for anything else."""
    if isinstance(source, Image.Image):
        array = np.asarray(source if source.mode in ("L", "I;16") else source.convert("RGB"))
    else:
        array = source
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3) or array.dtype not in (np.uint8, np.uint16) or not array.size:
        came = f"{array.dtype} of shape {array.shape}"
        raise UsageError("8- or 16-bit pixels (H, W), (H, W, 1) or (H, W, 3)", came, "convert them first")
    return array


class Restorer:
    """Restores many pictures with one loaded network. Threads may share it.

    Args:
        engine: where the network runs and which; see `EngineOptions`.
        options: how pictures are restored; see `RestoreOptions`.
        max_pixels: refuse larger files.

    Raises:
        WeightsError, DeviceError, UsageError: see `errors`.
    """

    def __init__(
        self,
        engine: EngineOptions | None = None,
        options: RestoreOptions | None = None,
        *,
        max_pixels: int = read.MAX_PIXELS,
    ) -> None:
        self.options = options or RestoreOptions()
        self.max_pixels = max_pixels
        self.engine: Engine = open_network(engine or EngineOptions())
        self._blas = ThreadpoolController().select(user_api="blas")

    def _restored(self, file: JpegFile, *, bits: int, progress: Progress | None = None) -> Canvas:
        """Return a file's restored picture, the transforms on one thread.

        BLAS's idle threads spin, and would take the cores from the network's: a third of the whole time.
        """
        with self._blas.limit(limits=1):
            return restore_jpeg(file, self.engine, dataclasses.replace(self.options, bits=bits), progress)

    def restore(self, source: Source) -> Image.Image:
        """Return the restored picture; its `info` holds the ICC profile, EXIF, XMP and resolution of the source.

        Args:
            source: best a JPEG's path or content, of which the coefficients are read; or pixels, as a Pillow image or
                an array `(H, W)` or `(H, W, 3)` of 8 or 16 bits.

        Returns:
            Mode "L", "RGB" or "CMYK", or "RGBA" of an image with transparency, of the source's size.
            Eight bits: `restore_file` writes sixteen.

        Raises:
            InputError: the source cannot be read.
            UsageError: pixels of another kind.
        """
        if isinstance(source, Image.Image | np.ndarray):
            metadata = of_image(source) if isinstance(source, Image.Image) else Metadata()
            quality = self.options.quality or _PIXEL_QUALITY
            told = [tables.ijg_table(base, quality) for base in (tables.LUMA, tables.CHROMA)]
            options = dataclasses.replace(self.options, bits=8)
            image = restore_pixels(_as_pixels(source), self.engine, options, told).image()
            if isinstance(source, Image.Image) and source.has_transparency_data:
                image = image.convert("RGB")
                image.putalpha(source.convert("RGBA").getchannel("A"))
        elif isinstance(source, bytes):
            with read.as_file(source) as path:
                return self.restore(path)
        else:
            file = read.read(Path(source), max_pixels=self.max_pixels)
            metadata = file.header.metadata
            image = self._restored(file, bits=8).image()
        kept = {"icc_profile": metadata.icc, "exif": metadata.exif, "xmp": metadata.xmp, "dpi": metadata.dpi}
        image.info.update({name: value for name, value in kept.items() if value})
        return image

    def restore_file(
        self, source: Path, target: Path, options: WriteOptions | None = None, *, progress: Progress | None = None
    ) -> Written:
        """Restore a JPEG file into another file.

        Raises:
            InputError: the source cannot be read.
            OutputError: the target cannot be written; nothing is left behind.
        """
        chosen = options or WriteOptions(format=write.format_of(target), bits=self.options.bits)
        write.check(chosen)
        file = read.read(source, max_pixels=self.max_pixels)
        canvas = self._restored(file, bits=chosen.bits, progress=progress)
        lost = write.write(canvas, file.header.metadata, chosen, target)
        return Written(canvas.width, canvas.height, (*file.complaints, *lost))

    def restore_bytes(self, content: bytes, options: WriteOptions) -> tuple[bytes, Written]:
        """Return a JPEG's content restored and encoded."""
        write.check(options)
        with read.as_file(content) as path:
            file = read.read(path, max_pixels=self.max_pixels)
        canvas = self._restored(file, bits=options.bits)
        encoded, lost = write.to_bytes(canvas, file.header.metadata, options)
        return encoded, Written(canvas.width, canvas.height, (*file.complaints, *lost))


def restore(
    source: Source,
    *,
    model: str = EngineOptions().model,
    device: str = "auto",
    strength: float = 1.0,
    project: bool = True,
    quality: int | None = None,
    threads: int | None = None,
) -> Image.Image:
    """Return one restored picture. For many, make a `Restorer`: it loads the network once.

    Args:
        source: a JPEG's path or content, or pixels; see `Restorer.restore`.
        model: a name that `jpegfilter models` lists.
        device: "auto", "cpu", "cuda", ...
        strength: 0 (plain decode) to 1.
        project: keep every coefficient inside the interval that the file states for it.
        quality: tell the network another quality than the file's own tables.
        threads: CPU threads; all cores by default.
    """
    engine = EngineOptions(model=model, device=device, threads=threads)
    return Restorer(engine, RestoreOptions(strength=strength, project=project, quality=quality)).restore(source)
