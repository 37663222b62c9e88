"""One picture at a time: a network of its own for each, fitted to what the shipped one makes of it."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from jpegfilter import weights
from jpegfilter.engines.contract import Engine
from jpegfilter.engines.effort import Effort
from jpegfilter.errors import UsageError
from jpegfilter.jpeg import color, sampling
from jpegfilter.jpeg.decode import Region
from jpegfilter.jpeg.image import ColorModel, JpegImage
from jpegfilter.jpeg.types import Floats, Pixels
from jpegfilter.pipeline import components
from jpegfilter.pipeline.following import Watch
from jpegfilter.pipeline.restoration import (
    RestoreOptions,
    restore_region,
    restored_pixels,
    tiles_of_jpeg,
    tiles_of_pixels,
)
from jpegfilter.pipeline.told import Told

if TYPE_CHECKING:
    from jpegfilter.engines.torch_network import TorchNetwork

_SEEN = 3_000_000
"""Samples that a fit looks at, at the most: tiles of larger pictures are chosen by chance."""


def sampling_of(image: JpegImage) -> str:
    """Return the name of a file's subsampling as the compressor is told it; the usual one where it has no name."""
    if image.model is ColorModel.GRAY:
        return "gray"
    if not image.model.is_luma_chroma:
        return "4:4:4"
    chroma = image.components[1]
    found = sampling.name(chroma.down, chroma.across)
    return found if found in sampling.FACTORS else "4:2:0"


def chosen(tiles: Sequence[Region], *, seed: int) -> list[Region]:
    """Return so many of a picture's tiles, in an order of chance, that they hold no more than a fit looks at."""
    order = np.random.default_rng(seed).permutation(len(tiles))
    kept: list[Region] = []
    seen = 0
    for index in order:
        tile = tiles[index]
        if kept and seen + tile.height * tile.width > _SEEN:
            break
        kept.append(tile)
        seen += tile.height * tile.width
    return kept


def _guess(planes: Floats, image: JpegImage) -> Floats:
    """Return the picture that networks see of restored components, RGB `(3, H, W)`, 0..255."""
    picture = components.to_pictures(planes, image)[0]
    rgb = color.rgb_from_ycbcr(picture) if len(picture) > 1 else np.repeat(picture, 3, 0)
    return np.clip(rgb + color.CENTRE, 0, 255)


def _plainly(options: RestoreOptions) -> RestoreOptions:
    """Return how a picture is restored for a fit: fully, without the grain that is kept for people."""
    return dataclasses.replace(options, strength=1.0, grain=0.0)


class Optimizer:
    """Makes an engine for each picture out of one shipped network. Threads may share it.

    Args:
        model: a name that `jpegfilter models` lists.
        device: a device as `EngineOptions` names it.
        threads: torch's threads on the CPU; None leaves them as they are.
        effort: what each fit may cost.

    Raises:
        UsageError: torch is not installed, or this network cannot be fitted.
        DeviceError: the device does not work.
    """

    beforehand = True
    """Whether the fit comes before the picture is restored, and is not itself that."""

    def __init__(self, model: str, device: str, threads: int | None, effort: Effort) -> None:
        try:
            from jpegfilter.engines import devices_of_torch, torch_network
            from jpegfilter.engines.shared_device import SharedDevice
        except ImportError as error:
            raise UsageError("torch and onnx", f"no {error.name}", "pip install 'jpegfilter[optimize]'") from error
        self.effort, self.card = effort, weights.find(model)
        place = devices_of_torch.device(device, threads)
        self.shared = SharedDevice(place)
        self._network = torch_network.network(self.card).to(place)

    def start(self) -> TorchNetwork:
        """Return the engine that a fit begins with: the shipped network."""
        from jpegfilter.engines.torch_network import TorchNetwork

        return TorchNetwork(self.card, copy.deepcopy(self._network), count=self.effort.views)

    def fitted(
        self, guess: Callable[[Engine], Sequence[Floats]], told: Told, *, sampling: str, watch: Watch | None = None
    ) -> Engine:
        """Return an engine for one picture.

        Args:
            guess: returns what an engine makes of the picture or of parts of it, RGB `(3, H, W)`, 0..255.
            told: what the network is told of the picture.
            sampling: the picture's subsampling, as `compression.libjpeg.compress` knows it.
            watch: who follows.
        """
        from jpegfilter.engines import fitting

        tell = (watch or Watch()).noting()
        engine = self.start()

        def note(share: float) -> bool:
            return tell(share, lambda: engine)

        fitting.fit(engine.network, guess(engine), told.tables, sampling=sampling, effort=self.effort, note=note)
        return engine

    def _parts(self, tiles: Sequence[Region]) -> list[Region]:
        """Return the tiles of a picture that a fit looks at."""
        return chosen(tiles, seed=self.effort.seed)

    def for_jpeg(self, image: JpegImage, options: RestoreOptions, told: Told, watch: Watch | None = None) -> Engine:
        """Return an engine for a JPEG. Its coefficients are read and kept."""

        def guess(engine: Engine) -> list[Floats]:
            guesses = []
            for tile in self._parts(tiles_of_jpeg(image, engine, options)):
                planes = restore_region(image, tile, engine, _plainly(options), told)
                guesses.append(_guess(planes[:, : image.height - tile.top, : image.width - tile.left], image))
            return guesses

        return self.fitted(guess, told, sampling=sampling_of(image), watch=watch)

    def for_pixels(self, pixels: Pixels, options: RestoreOptions, told: Told, watch: Watch | None = None) -> Engine:
        """Return an engine for pixels `(H, W, C)` with a JPEG past. Of its subsampling, the usual is assumed."""

        def guess(engine: Engine) -> list[Floats]:
            tiles = self._parts(tiles_of_pixels(pixels, engine, options))
            found = [restored_pixels(pixels, tile, engine, _plainly(options), told) for tile in tiles]
            return [np.clip(np.broadcast_to(part, (3, *part.shape[1:])) + color.CENTRE, 0, 255) for part in found]

        return self.fitted(guess, told, sampling="gray" if pixels.shape[2] == 1 else "4:2:0", watch=watch)
