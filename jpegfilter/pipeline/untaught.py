"""One picture at a time: a network that knows no other picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from jpegfilter.engines.effort import Effort
from jpegfilter.engines.network import EngineOptions, open_network
from jpegfilter.errors import UsageError
from jpegfilter.jpeg import sampling
from jpegfilter.jpeg.image import ColorModel, JpegImage
from jpegfilter.jpeg.types import Floats, Pixels, Table
from jpegfilter.pipeline.following import Watch
from jpegfilter.pipeline.restoration import RestoreOptions, tiles_of_jpeg, tiles_of_pixels
from jpegfilter.pipeline.told import Told

if TYPE_CHECKING:
    from jpegfilter.engines.untrained import UntrainedNetwork


def _layout(image: JpegImage, told: Told) -> str:
    """Return a file's subsampling, or in words why what the network is told does not say where intervals lie."""
    luma, *chroma = image.components
    if image.model is ColorModel.GRAY:
        return "gray"
    if not told.from_file:
        return "an earlier compression's, of unknown subsampling"
    if not image.model.is_luma_chroma:
        return str(image.model.value)
    if (luma.down, luma.across) != (1, 1) or not np.array_equal(chroma[0].table, chroma[1].table):
        return "components of unusual layout"
    return sampling.name(chroma[0].down, chroma[0].across)


class _SoFar:
    """An engine that shows what another has done so far, tile by tile in the same order; then, tiles as they were."""

    def __init__(self, engine: UntrainedNetwork, current: Floats) -> None:
        self.doubt = engine.doubt
        self.halo, self.multiple, self.description = engine.halo, engine.multiple, engine.description
        self._left = [*engine.done, current]

    def restore(self, planes: Floats, tables: Sequence[Table]) -> Floats:
        """Return the next of what there is."""
        return self._left.pop(0) if self._left else planes


class Untaught:
    """Makes an engine for each picture that fits a network of its own to it. Threads may share it.

    Args:
        model: the shipped model whose colors may be expected.
        device: a device as `EngineOptions` names it.
        threads: torch's threads on the CPU; None leaves them as they are.
        effort: what is fitted, and what that may cost.

    Raises:
        UsageError: torch is not installed, or there is no such network.
        DeviceError: the device does not work.
    """

    beforehand = False
    """Whether the fit comes before the picture is restored, and is not itself that."""

    def __init__(self, model: str, device: str, threads: int | None, effort: Effort) -> None:
        assert effort.untrained is not None
        try:
            from jpegfilter.engines import devices_of_torch
            from jpegfilter.engines.shared_device import SharedDevice
        except ImportError as error:
            raise UsageError("torch", f"no {error.name}", "pip install 'jpegfilter[optimize]'") from error
        self.effort = effort
        self._device = devices_of_torch.device(device, threads)
        self.shared = SharedDevice(self._device)
        wanted = effort.untrained.colors == "model"
        self._model = open_network(EngineOptions(model, device, threads)) if wanted else None

    def engine(self, sampling: str, *, tiles: int = 1, watch: Watch | None = None) -> UntrainedNetwork:
        """Return an engine for one picture.

        Args:
            sampling: the picture's subsampling.
            tiles: how often it will be asked.
            watch: who follows.

        Raises:
            UsageError: the loss needs intervals that cannot be told of such a file.
        """
        from jpegfilter.engines.untrained import UntrainedNetwork

        watch = watch or Watch()
        tell = watch.noting()

        def note(share: float, current: Callable[[], Floats]) -> bool:
            return tell(share, lambda: _SoFar(made, current()))

        made = UntrainedNetwork(
            self.effort, self._device, sampling=sampling, tiles=tiles, model=self._model, note=note, keep=watch.shows
        )
        return made

    def start(self) -> UntrainedNetwork:
        """Return an engine for a picture of the usual kind."""
        return self.engine("4:2:0")

    def for_jpeg(
        self, image: JpegImage, options: RestoreOptions, told: Told, watch: Watch | None = None
    ) -> UntrainedNetwork:
        """Return an engine for a JPEG.

        Raises:
            UsageError: the loss is about intervals of Y, Cb and Cr, of which the file tells none.
        """
        tiles = len(tiles_of_jpeg(image, self.start(), options)) * (1 + image.model.has_black)
        return self.engine(_layout(image, told), tiles=tiles, watch=watch)

    def for_pixels(
        self, pixels: Pixels, options: RestoreOptions, told: Told, watch: Watch | None = None
    ) -> UntrainedNetwork:
        """Return an engine for pixels `(H, W, C)` with a JPEG past.

        Raises:
            UsageError: the loss is about intervals, for which the usual subsampling cannot be assumed.
        """
        known = "gray" if pixels.shape[2] == 1 else "a picture without its file"
        return self.engine(known, tiles=len(tiles_of_pixels(pixels, self.start(), options)), watch=watch)
