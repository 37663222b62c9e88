"""The Python interface: a reusable object for many pictures and a function for one."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image
from threadpoolctl import ThreadpoolController

from jpegfilter.codec import raster, read, write
from jpegfilter.codec.canvas import Canvas
from jpegfilter.codec.metadata import Metadata
from jpegfilter.codec.raster import Raster
from jpegfilter.codec.write import WriteOptions
from jpegfilter.engines.contract import Engine
from jpegfilter.engines.effort import Effort
from jpegfilter.engines.network import EngineOptions, open_network
from jpegfilter.errors import OutputError, UsageError
from jpegfilter.pipeline.following import Follow, Watch
from jpegfilter.pipeline.optimization import Optimizer
from jpegfilter.pipeline.restoration import Progress, RestoreOptions, restore_jpeg, restore_pixels
from jpegfilter.pipeline.told import Quality, of_jpeg, of_pixels
from jpegfilter.pipeline.untaught import Untaught

Source: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | np.ndarray[Any, Any]"
"""A picture file's path or content, or pixels that were a JPEG once."""
_NO_TRACE = "no trace of JPEG compression was found, so nothing was changed; --quality forces it"


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


def _as_raster(source: Image.Image | np.ndarray[Any, Any]) -> Raster:
    """Return 8- or 16-bit pixels `(H, W, 1 or 3)`; raises `UsageError` for anything else."""
    if isinstance(source, Image.Image):
        if 0 in source.size:
            raise UsageError("a picture of one sample at least", f"{source.width}x{source.height}", "make one")
        return raster.of_pillow(source)
    array = source[..., None] if source.ndim == 2 else source
    if array.ndim != 3 or array.shape[2] not in (1, 3) or array.dtype not in (np.uint8, np.uint16) or not array.size:
        came = f"{array.dtype} of shape {array.shape}"
        raise UsageError("8- or 16-bit pixels (H, W), (H, W, 1) or (H, W, 3)", came, "convert them first")
    return Raster(array, None, Metadata())


@dataclass(frozen=True, slots=True)
class _Result:
    """A restored picture, with what belongs beside it."""

    canvas: Canvas
    metadata: Metadata
    notes: tuple[str, ...]


_FIT = 0.85
"""Share of the whole that a fit is shown as, where there is one."""


@dataclass(frozen=True, slots=True)
class _Way:
    """How one picture goes through.

    Attributes:
        bits: of the result.
        progress: told the share that is done.
        preview: where previews of a fit are written.
    """

    bits: int
    progress: Progress | None = None
    preview: Path | None = None

    def rest(self) -> Progress | None:
        """Return what is told of what follows a fit."""
        if self.progress is None:
            return None
        told = self.progress
        return lambda share: told(_FIT + (1 - _FIT) * share)


class Restorer:
    """Restores many pictures with one loaded network. Threads may share it.

    Args:
        engine: where the network runs and which; see `EngineOptions`.
        options: how pictures are restored; see `RestoreOptions`.
        max_pixels: refuse larger files.
        effort: fit the network to each picture, at this cost; needs torch. None restores with the network as it is.
        follow: how the fits are followed.

    Raises:
        WeightsError, DeviceError, UsageError: see `errors`.
    """

    def __init__(
        self,
        engine: EngineOptions | None = None,
        options: RestoreOptions | None = None,
        *,
        max_pixels: int = read.MAX_PIXELS,
        effort: Effort | None = None,
        follow: Follow | None = None,
    ) -> None:
        self.options = options or RestoreOptions()
        self.max_pixels = max_pixels
        self.follow = follow or Follow()
        chosen = engine or EngineOptions()
        self.optimizer: Optimizer | Untaught | None = None
        if effort:
            maker = Untaught if effort.untrained else Optimizer
            self.optimizer = maker(chosen.model, chosen.device, chosen.threads, effort)
        self.engine: Engine = self.optimizer.start() if self.optimizer else open_network(chosen)
        # The transforms run on one thread: BLAS's idle threads spin, and would take the cores from the network's,
        # a third of the whole time.
        self._blas = ThreadpoolController().select(user_api="blas")

    @property
    def shares_gpu(self) -> bool:
        """Whether networks are fitted on a GPU, where there is room for several pictures at a time."""
        return self.optimizer is not None and self.optimizer.shared.is_gpu

    def _shared(self, work: Callable[[], _Result]) -> _Result:
        """Do what belongs to one picture on the device that fits share."""
        return self.optimizer.shared.run(work) if self.optimizer else work()

    def _watch(self, restore: Callable[[Engine], Canvas], way: _Way) -> Watch:
        """Return how the fit to one picture is followed."""

        def preview(engine: Engine) -> None:
            if way.preview is not None:
                write.write(restore(engine), Metadata(), WriteOptions(format="png"), way.preview)

        whole = _FIT if self.optimizer and self.optimizer.beforehand else 1.0

        def progress(share: float) -> None:
            if way.progress:
                way.progress(whole * share)

        return Watch(self.follow, progress, preview)

    def _of_jpeg(self, path: Path, way: _Way) -> _Result:
        file = read.read(path, max_pixels=self.max_pixels)
        with self._blas.limit(limits=1):
            options = dataclasses.replace(self.options, bits=way.bits)
            engine, told, progress = self.engine, None, way.progress
            if self.optimizer and options.strength:
                told = of_jpeg(file.image, options.quality)
                progress = way.rest() if self.optimizer.beforehand else None
                quick = dataclasses.replace(options, bits=8)
                watch = self._watch(lambda fitted: restore_jpeg(file, fitted, quick, told=told, again=True), way)
                engine = self.optimizer.for_jpeg(file.image, options, told, watch)
            canvas = restore_jpeg(file, engine, options, progress, told=told)
        return _Result(canvas, file.header.metadata, file.complaints)

    def _of_raster(self, source: Raster, way: _Way) -> _Result:
        with self._blas.limit(limits=1):
            options = dataclasses.replace(self.options, bits=way.bits)
            engine, told, progress = self.engine, None, way.progress
            if self.optimizer and options.strength:
                told = of_pixels(source.pixels, options.quality)
            if self.optimizer and told:
                quick = dataclasses.replace(options, bits=8)
                progress = way.rest() if self.optimizer.beforehand else None
                watch = self._watch(lambda fitted: restore_pixels(source.pixels, fitted, quick, told=told)[0], way)
                engine = self.optimizer.for_pixels(source.pixels, options, told, watch)
            canvas, found = restore_pixels(source.pixels, engine, options, progress, told=told)
        canvas.alpha = source.alpha
        notes = () if found else (_NO_TRACE,)
        return _Result(canvas, source.metadata, (*source.complaints, *notes))

    def _of_file(self, path: Path, way: _Way) -> _Result:
        if raster.is_raster(path):
            pixels = raster.read(path, max_pixels=self.max_pixels)
            return self._shared(lambda: self._of_raster(pixels, way))
        return self._shared(lambda: self._of_jpeg(path, way))

    def restore(self, source: Source) -> Image.Image:
        """Return the restored picture; its `info` holds the ICC profile, EXIF, XMP and resolution of the source.

        Args:
            source: best a JPEG's path or content, of which the coefficients are read; or that of another picture file;
                or pixels, as a Pillow image or an array `(H, W)` or `(H, W, 3)` of 8 or 16 bits. What is no JPEG is
                searched for traces of one, and left as it is where there are none.

        Returns:
            Mode "L", "RGB" or "CMYK", or "RGBA" of an image with transparency, of the source's size.
            Eight bits: `restore_file` writes sixteen.

        Raises:
            InputError: the source cannot be read.
            UsageError: pixels of another kind.
        """
        if isinstance(source, bytes):
            with read.as_file(source) as path:
                return self.restore(path)
        if isinstance(source, Image.Image | np.ndarray):
            pixels = _as_raster(source)
            result = self._shared(lambda: self._of_raster(pixels, _Way(8)))
        else:
            result = self._of_file(Path(source), _Way(8))
        image, metadata = result.canvas.image(), result.metadata
        kept = {"icc_profile": metadata.icc, "exif": metadata.exif, "xmp": metadata.xmp, "dpi": metadata.dpi}
        image.info.update({name: value for name, value in kept.items() if value})
        return image

    def restore_file(
        self, source: Path, target: Path, options: WriteOptions | None = None, *, progress: Progress | None = None
    ) -> Written:
        """Restore a JPEG file, or another picture file with a JPEG past, into another file.

        Raises:
            InputError: the source cannot be read.
            OutputError: the target cannot be written; nothing is left behind.
        """
        chosen = options or WriteOptions(format=write.format_of(target), bits=self.options.bits)
        write.check(chosen)
        preview = None
        if self.optimizer and self.follow.preview_seconds:
            preview = target.with_name(f"{target.stem}.preview.png")
            if preview.exists():
                raise OutputError(f"no {preview} yet", "one that exists", "remove it, or leave out --preview")
        try:
            result = self._of_file(source, _Way(chosen.bits, progress, preview))
        finally:
            if preview is not None:
                preview.unlink(missing_ok=True)
        lost = write.write(result.canvas, result.metadata, chosen, target)
        return Written(result.canvas.width, result.canvas.height, (*result.notes, *lost))

    def restore_bytes(self, content: bytes, options: WriteOptions) -> tuple[bytes, Written]:
        """Return a file's content restored and encoded."""
        write.check(options)
        with read.as_file(content) as path:
            result = self._of_file(path, _Way(options.bits))
        encoded, lost = write.to_bytes(result.canvas, result.metadata, options)
        return encoded, Written(result.canvas.width, result.canvas.height, (*result.notes, *lost))


def restore(
    source: Source,
    *,
    model: str = EngineOptions().model,
    device: str = "auto",
    strength: float = 1.0,
    project: bool = True,
    quality: Quality = "auto",
    grain: float = 0.0,
    threads: int | None = None,
    optimize: bool = False,
) -> Image.Image:
    """Return one restored picture. For many, make a `Restorer`: it loads the network once.

    Args:
        source: a picture file's path or content, or pixels; see `Restorer.restore`.
        model: a name that `jpegfilter models` lists.
        device: "auto", "cpu", "cuda", ...
        strength: 0 (plain decode) to 1.
        project: keep every coefficient inside the interval that the file states for it.
        quality: what the network is told: the file's tables unless the picture shows traces of worse ("auto"), the
            file's tables ("header"), or those of an IJG quality 1..100.
        grain: share of the recorded detail that is kept as it is, 0 to 1.
        threads: CPU threads; all cores by default.
        optimize: fit the network to this very picture first; needs torch (see `engines.fitting`).
    """
    engine = EngineOptions(model=model, device=device, threads=threads)
    options = RestoreOptions(strength=strength, project=project, quality=quality, grain=grain)
    return Restorer(engine, options, effort=Effort() if optimize else None).restore(source)
