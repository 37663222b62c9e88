"""When to end a fit to one picture, without the clean one.

A network that is fitted from chance takes up the picture first and its artifacts later. Each criterion here is told the
results as they come and says which was best; docs/optimize.md says by how much they miss.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

_REACH = 0.05
"""Weight of the newest result in the moving mean whose variance is watched: a window of about 40."""

_FULL = 60
"""Results after which that window is full, and its variance what it claims to be."""


@dataclass(slots=True)
class Lowest:
    """Finds the lowest of numbers that come one by one, smoothed; `over` after `patience` without a lower one.

    Attributes:
        patience: numbers without a lower one after which there will be none.
        warm_up: first numbers, which do not count.
        best: index of the lowest so far, -1 before there is one.
    """

    patience: int
    warm_up: int
    best: int = -1
    _seen: int = 0
    _mean: float = 0.0
    _lowest: float = float("inf")

    def add(self, number: float, *, share: float) -> bool:
        """Take a number, whose weight beside those before is `share`; return whether it is the lowest."""
        self._mean = number if self._seen == 0 or share == 1 else (1 - share) * self._mean + share * number
        self._seen += 1
        if self._seen <= self.warm_up or self._mean >= self._lowest:
            return False
        self._lowest, self.best = self._mean, self._seen - 1
        return True

    @property
    def over(self) -> bool:
        """Whether to stop."""
        return self.best >= 0 and self._seen - 1 - self.best >= self.patience


@dataclass(slots=True)
class Variance:
    """The variance of the results over a moving window, which is lowest between learning a picture and its noise.

    Source: Wang et al., "Early Stopping for Deep Image Prior" (TMLR 2023), the exponential variant (ES-EMV).
    """

    lowest: Lowest
    _mean: Tensor | None = None
    _variance: float = 0.0
    _steps: int = field(default=0)

    def add(self, result: Tensor) -> bool:
        """Take a result; return whether it is the best so far."""
        self._steps += 1
        if self._mean is None:
            self._mean = result.clone()
            return self.lowest.add(float("inf"), share=1.0)
        change = result - self._mean
        self._variance = (1 - _REACH) * (self._variance + _REACH * change.square().mean().item())
        self._mean.add_(change, alpha=_REACH)
        return self.lowest.add(self._variance if self._steps > _FULL else float("inf"), share=1.0)


def mean(held: Tensor | None, result: Tensor, *, share: float) -> Tensor:
    """Return the exponentially weighted mean of results: the "sliding window" of Deep Image Prior."""
    return result.clone() if held is None else torch.lerp(held, result, share)
