"""Hourglass networks for one picture, fitted from chance: Ulyanov, Vedaldi, Lempitsky, "Deep Image Prior" (CVPR 2018).

A picture is halved again and again and brought back up; skip connections of few channels carry detail across. In the
three sizes of Barrack, "A Deep Learning Approach to JPEG Colour Restoration Without Ground Truth". Nothing here is
trained on other pictures: that a network of this shape takes up smooth areas and edges before it takes up blocks is all
it knows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from jpegfilter.errors import UsageError

COLORS = 3
_SLOPE = 0.2
"""Slope of the leaky rectifiers below 0."""


@dataclass(frozen=True, slots=True)
class Size:
    """Widths of an hourglass, from full resolution down.

    Attributes:
        channels: of each level, on the way down and on the way up.
        skips: channels of each level's skip connection; 0 has none.
        nearest: so many of the finest levels repeat samples on the way up; those below are interpolated linearly.
    """

    channels: tuple[int, ...]
    skips: tuple[int, ...]
    nearest: int = 0

    @property
    def multiple(self) -> int:
        """What heights and widths must be multiples of."""
        return int(2 ** len(self.channels))


SIZES = {
    "low": Size((8, 16, 32, 64, 128), (0, 0, 0, 4, 4)),
    "medium": Size((8, 16, 32, 64, 128, 256), (6, 6, 4, 4, 6, 6)),
    "high": Size((128,) * 7, (15, 13, 11, 9, 7, 5, 3), nearest=4),
}
"""The report's three. It lists eight skips for the seven levels of "high"; the first seven are taken."""


class _Convolution(nn.Sequential):
    """A convolution on the mirrored picture, normalized over it, and a leaky rectifier."""

    def __init__(self, inputs: int, outputs: int, side: int, *, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(
                inputs, outputs, side, stride=stride, padding=side // 2, padding_mode="reflect" if side > 1 else "zeros"
            ),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(_SLOPE),
        )


class _Level(nn.Module):
    """One resolution: half the size down, what lies `below`, and back up beside the skip connection."""

    def __init__(
        self, inputs: int, channels: int, skip: int, below: nn.Module | None, up: int, *, nearest: bool
    ) -> None:
        super().__init__()
        self.mode = "nearest" if nearest else "bilinear"
        self.skip = _Convolution(inputs, skip, 1) if skip else None
        self.down = nn.Sequential(_Convolution(inputs, channels, 3, stride=2), _Convolution(channels, channels, 3))
        self.below = below if below is not None else nn.Identity()
        self.joined = nn.BatchNorm2d(up + skip)
        self.up = nn.Sequential(_Convolution(up + skip, channels, 3), _Convolution(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return `(N, channels, H, W)` of `(N, inputs, H, W)`."""
        large: Tensor = functional.interpolate(self.below(self.down(x)), scale_factor=2, mode=self.mode)
        if self.skip is not None:
            large = torch.cat((self.skip(x), large), 1)
        result: Tensor = self.up(self.joined(large))
        return result


class Hourglass(nn.Module):
    """Return a picture `(1, 3, H, W)`, 0..1, of an input `(1, 3, H, W)`; H and W multiples of `size.multiple`.

    Args:
        size: widths; see `SIZES`.
        skips: whether there are skip connections.
    """

    def __init__(self, size: Size, *, skips: bool = True) -> None:
        super().__init__()
        self.size = size
        module: _Level | None = None
        inputs = (COLORS, *size.channels[:-1])
        for level in reversed(range(len(size.channels))):
            up = size.channels[min(level + 1, len(size.channels) - 1)]  # the deepest takes its own result back up
            skip = size.skips[level] if skips else 0
            module = _Level(inputs[level], size.channels[level], skip, module, up, nearest=level < size.nearest)
        assert module is not None
        self.levels = module
        self.leave = nn.Conv2d(size.channels[0], COLORS, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the picture."""
        return torch.sigmoid(self.leave(self.levels(x)))


def hourglass(name: str, *, skips: bool = True) -> Hourglass:
    """Return a network of one of the report's sizes, as chance makes it.

    Raises:
        UsageError: an unknown size.
    """
    if name not in SIZES:
        raise UsageError("a size of untrained network", repr(name), f"choose among: {', '.join(SIZES)}")
    return Hourglass(SIZES[name], skips=skips)
