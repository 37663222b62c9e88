"""The intervals that a file states for its coefficients, in torch, where one can descend to them.

What `jpeg.bounds` is for a finished picture, this is for a fit: the distance of a picture from every picture that the
file could have come from, with a gradient. See docs/math.md, sections 3 and 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from jpegfilter.compression.blocks import coefficients, undone
from jpegfilter.jpeg.dct import BLOCK
from jpegfilter.jpeg.sampling import FACTORS


@dataclass(frozen=True, slots=True)
class Intervals:
    """What a file says of one component.

    Attributes:
        middle: the middle of each coefficient's interval, `(1, 64, h, w)`, in 8-bit steps.
        step: its width, `(1, 64, 1, 1)`.
        cell: luma samples down and across for one sample.
    """

    middle: Tensor
    step: Tensor
    cell: tuple[int, int]

    def error(self, plane: Tensor) -> Tensor:
        """Return how far coefficients of a plane at the luma's resolution lie from their intervals' middles, signed."""
        return coefficients(functional.avg_pool2d(plane, self.cell)) - self.middle

    def outside(self, error: Tensor) -> Tensor:
        """Return how far coefficients lie outside their intervals, of how far they lie from the middles."""
        return error - torch.clamp(error, -self.step / 2, self.step / 2)


def stated(planes: Tensor, tables: Tensor, *, sampling: str) -> list[Intervals]:
    """Return the intervals of each component of a file.

    Args:
        planes: as decoded, level-shifted, unrounded, `(1, C, H, W)`, chroma brought to the luma's resolution by
            `jpeg.sampling.upsample`; from the corner of an MCU on, in whole MCUs.
        tables: quantization steps of luma and chroma, `(2, 8, 8)`.
        sampling: a name from `jpeg.sampling.FACTORS`, or "gray".
    """
    found = []
    for index in range(planes.shape[1]):
        cell = FACTORS[sampling] if index and sampling != "gray" else (1, 1)
        step = tables[int(index > 0)].to(planes).reshape(1, -1, 1, 1)
        middle = coefficients(undone(planes[:, index : index + 1], down=cell[0], across=cell[1]))
        found.append(Intervals((middle / step).round() * step, step, cell))
    return found


_ENOUGH, _MOST = 100, 0.2
"""Coefficients that can judge a fit, and the share of all that may be kept from it for their sake."""


def hidden(intervals: list[Intervals], *, share: float, seed: int) -> list[Tensor]:
    """Return which coefficients to keep from a fit, `(1, 64, h, w)`, so that they can judge it.

    Of those that are not 0, and are no block's mean: what is 0 says little, and a mean too much to be missed. Where
    there are few, a larger share, up to a fifth; where there are none, none.
    """
    chance = torch.Generator().manual_seed(seed)
    told = [component.middle != 0 for component in intervals]
    for mask in told:
        mask[:, 0] = False
    share = max(share, min(_MOST, _ENOUGH / max(1, sum(int(mask.sum()) for mask in told))))
    return [mask & (torch.rand(mask.shape, generator=chance) < share).to(mask.device) for mask in told]


def distance(
    intervals: list[Intervals], planes: Tensor, hide: list[Tensor] | None = None, *, pull: float = 0.0
) -> Tensor:
    """Return the mean squared distance of planes `(1, C, H, W)` from the intervals, per sample of a component's own.

    The transform is orthonormal: inside the intervals it is 0, and far outside the mean squared error.

    Args:
        intervals: of each component.
        planes: level-shifted, at the luma's resolution.
        hide: coefficients that do not count.
        pull: share of the squared distance from the middles that counts besides.
    """
    total = planes.new_zeros(())
    for index, component in enumerate(intervals):
        error = component.error(planes[:, index : index + 1])
        squares = component.outside(error).square()
        if pull:
            squares = squares + pull * error.square()
        if hide is not None:
            squares = squares.masked_fill(hide[index], 0.0)
        total = total + squares.mean()
    return total / len(intervals)


def judged(intervals: list[Intervals], planes: Tensor, hide: list[Tensor]) -> Tensor:
    """Return the mean squared error of hidden coefficients, from the middles of their intervals, in squared steps."""
    total, count = planes.new_zeros(()), 0
    for index, component in enumerate(intervals):
        errors = (component.error(planes[:, index : index + 1]) / component.step)[hide[index]]
        total, count = total + errors.square().sum(), count + errors.numel()
    return total / max(1, count)


_OFTEN = (0.02, 0.9)
"""Shares of 0 between which a frequency tells how wide its coefficients are spread."""


def _spread(zero: Tensor, half: Tensor) -> Tensor:
    """Return the mean magnitude of each frequency's coefficients, `(64,)`, as Laplacian distributions have it.

    A frequency that is 0 in a share `zero` of the blocks tells its own; one that nearly always is takes part in a power
    law of the sum of both frequencies, which the others are fitted to.
    """
    own = half / -torch.log1p(-zero.clamp(1e-6, 1 - 1e-6))
    index = torch.arange(BLOCK, device=zero.device)
    order = torch.log1p((index[:, None] + index).reshape(-1).to(zero))
    told = (zero > _OFTEN[0]) & (zero < _OFTEN[1]) & (order > 0)
    if told.sum() < 2:
        return own
    away, height = order[told] - order[told].mean(), own[told].log()
    slope = (away * height).sum() / away.square().sum().clamp(min=1e-9)
    law = torch.exp(height.mean() + slope * (order - order[told].mean()))
    return torch.where(zero < _OFTEN[1], own, law)


def error(intervals: list[Intervals]) -> list[Tensor]:
    """Return the variance of each component's error in the decoded plane, a scalar each, in squared 8-bit steps.

    A coefficient that is not 0 lies anywhere in its interval: `q^2 / 12`. What is 0 is as a Laplacian distribution
    that is 0 as often has it, inside the interval (Price and Rabbani, "Biased Reconstruction for JPEG Decoding", 1999).
    On photos this was right within a factor of 2.
    """
    found = []
    for component in intervals:
        step = component.step.reshape(-1)
        zero = (component.middle == 0).to(step).mean((0, 2, 3))
        half = step / 2
        spread = _spread(zero, half)
        left = torch.exp(-half / spread)
        inside = 2 * spread**2 - left * (half**2 + 2 * half * spread) / (1 - left)
        found.append(((1 - zero) * step**2 / 12 + zero * inside.clamp(min=0)).mean())
    return found
