"""Deep Image Prior, SURE and colors: a network that chance makes, fitted to one picture until it shows the picture.

Sources: Ulyanov, Vedaldi, Lempitsky, "Deep Image Prior" (CVPR 2018); Metzler, Mousavi, Heckel, Baraniuk, "Unsupervised
Learning with Stein's Unbiased Risk Estimator" (2018); Barrack, "A Deep Learning Approach to JPEG Colour Restoration
Without Ground Truth", whose losses and networks these are. The intervals as what a result is held against are not its.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from jpegfilter.compression import intervals
from jpegfilter.compression.intervals import Intervals
from jpegfilter.compression.planes import mix
from jpegfilter.engines import distribution, stopping
from jpegfilter.engines.contract import Engine
from jpegfilter.engines.effort import Effort, Untrained
from jpegfilter.errors import UsageError
from jpegfilter.jpeg import color
from jpegfilter.jpeg.bounds import Doubt
from jpegfilter.jpeg.sampling import FACTORS
from jpegfilter.jpeg.types import Floats, Table
from jpegfilter.networks.hourglass import SIZES, hourglass

RATE = 0.01
"""Adam's learning rate (Deep Image Prior)."""
_NOISE = 0.1
"""Largest number in the input, where that is noise (Deep Image Prior)."""
_PROBE = 1e-3
"""Length of the step along which SURE measures a divergence, for samples in 0..1."""
PULL = 0.2
"""Share of the pull of a mean squared error that is felt inside the intervals, too: at low quality they are so wide
that a network fills them with noise otherwise (docs/optimize.md)."""
WINDOW = 0.02
"""Weight of the newest result in the sliding window that is the picture."""
HIDDEN = 0.05
"""Share of the coefficients that are kept from a fit to judge it."""
_CHECKED = 10
"""Steps between two looks at what is hidden."""
_PATIENCE = 0.25
"""Share of all steps without a better result after which a fit ends."""
_WARM_UP = 0.05
"""Share of all steps that no rule judges: what comes first is nothing at all."""
_DOUBT = 3.0
"""Standard deviation of a result's error, in 8-bit steps, where the finest step of the table is 1; it grows with the
root of that (docs/optimize.md)."""
_LEAST = 1e-3
"""Seconds that a fit has where no time is left: for its first step."""
_HALO = 16
"""Samples that tiles share at the least: beyond, a network of such depth sees everything, but learns each tile anew."""

_INITIAL = threading.Lock()
"""Held while chance makes a network: layers draw from the one source that all threads share."""

Note = Callable[[float, Callable[[], Floats]], bool]
"""Told the share of a fit that is done, and how to have the planes so far; returns whether to go on."""


def _rgb(planes: Tensor) -> Tensor:
    """Return R, G and B in 0..1, clipped, of level-shifted planes `(1, 3, H, W)`."""
    return ((mix(planes, color.RGB_FROM_YCBCR) + color.CENTRE) / 255).clamp(0, 1)


def _planes(rgb: Tensor) -> Tensor:
    """Return level-shifted Y, Cb and Cr of R, G and B in 0..1."""
    planes = mix(rgb * 255, color.YCBCR_FROM_RGB)
    return torch.cat((planes[:, :1] - color.CENTRE, planes[:, 1:]), 1)


@dataclass(frozen=True, slots=True)
class Problem:
    """What a fit knows of its picture.

    Attributes:
        choice: which network and loss.
        shown: the decoded file, R, G and B in 0..1, `(1, 3, H, W)`.
        stated: its intervals.
        hidden: coefficients that judge the fit and take no part in it.
        expected: mass functions of colors, `(3 * regions, 256)`.
        variance: of the file's error, for samples in 0..1.
    """

    choice: Untrained
    shown: Tensor
    stated: list[Intervals]
    hidden: list[Tensor]
    expected: Tensor
    variance: float

    def values(self, rgb: Tensor) -> Tensor:
        """Return a picture's values region by region, as `distribution.histogram` takes them."""
        return distribution.regions(rgb[0], self.choice.regions)

    def _divergence(self, rgb: Tensor, toward: str) -> Tensor:
        found = distribution.histogram(self.values(rgb))
        pair = (found, self.expected) if toward == "p" else (self.expected, found)
        weights = torch.tensor(self.choice.channels, device=rgb.device).repeat(self.choice.regions**2)
        mean: Tensor = (distribution.divergence(*pair) * weights).sum() / weights.sum()
        return mean

    def _fit(self, network: nn.Module, given: Tensor, result: Tensor, chance: torch.Generator) -> Tensor:
        """Return the part of the loss that holds a result against the file."""
        if self.choice.fit == "interval":
            hide = self.hidden if self.choice.rule == "held-out" else None
            return intervals.distance(self.stated, _planes(result), hide, pull=PULL) / 255**2
        squares = (result - self.shown).square().mean()
        if self.choice.fit == "mse":
            return squares
        probe = torch.randn(given.shape, generator=chance).to(given.device)
        change = network(given + _PROBE * probe) - result
        spread: Tensor = (probe * change).sum() / _PROBE / given.numel()
        risk: Tensor = squares - self.variance + 2 * self.variance * spread
        return risk

    def loss(self, network: nn.Module, given: Tensor, result: Tensor, chance: torch.Generator) -> Tensor:
        """Return what a fit minimizes, of the result that the network has made of what it was given."""
        fit = self._fit(network, given, result, chance)
        if self.choice.divergence is None:
            return fit
        toward, weight = self.choice.divergence
        return self._divergence(result, toward) + weight * fit

    def judged(self, rgb: Tensor) -> float:
        """Return how far a picture misses the coefficients that were hidden, in squared steps."""
        return float(intervals.judged(self.stated, _planes(rgb), self.hidden))


def problem(
    planes: Tensor, tables: Tensor, *, sampling: str, choice: Untrained, seed: int, model: Tensor | None = None
) -> Problem:
    """Return what is known of a picture.

    Args:
        planes: decoded, level-shifted, unrounded, `(1, 3, H, W)`; H and W multiples of the network's.
        tables: `(2, 8, 8)`.
        sampling: a name from `jpeg.sampling.FACTORS`.
        choice: what is fitted.
        seed: of what is hidden.
        model: the shipped model's result, planes, where its colors are expected.
    """
    shown = _rgb(planes)
    stated = intervals.stated(planes, tables, sampling=sampling)
    luma, cb, cr = intervals.error(stated)
    share = torch.tensor(color.RGB_FROM_YCBCR).square().mean(0).to(planes)
    variance = float((share * torch.stack((luma, cb, cr))).sum()) / 255**2
    if model is None:
        expected = distribution.normal(distribution.regions(shown[0], choice.regions))
    else:
        expected = distribution.histogram(distribution.regions(_rgb(model)[0], choice.regions))
    hidden = intervals.hidden(stated, share=HIDDEN, seed=seed)
    return Problem(choice, shown, stated, hidden, expected, variance)


def descend(told: Problem, *, steps: int, seed: int) -> Iterator[Tensor]:
    """Yield the network's result after each step, R, G and B in 0..1, `(1, 3, H, W)`."""
    choice, shown = told.choice, told.shown
    chance = torch.Generator().manual_seed(seed)
    with _INITIAL, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = hourglass(choice.network, skips=choice.skips).to(shown.device)
    for parameter in network.parameters():
        if parameter.dim() == shown.dim():  # a convolution's, for which this layout is a third quicker on processors
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    given = shown
    if (choice.input or ("jpeg" if choice.fit == "sure" else "noise")) == "noise":
        given = (torch.rand(shown.shape, generator=chance) * _NOISE).to(shown.device)
    given = given.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
    for _ in range(steps):
        result = network(given)
        optimizer.zero_grad(set_to_none=True)
        told.loss(network, given, result, chance).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        yield result.detach()


class Judge:
    """Keeps the sliding window over a fit's results and, of what it showed, the best by the rule that was chosen.

    Args:
        told: what is known of the picture.
        steps: of the fit, at the most.
    """

    def __init__(self, told: Problem, *, steps: int) -> None:
        self.told, self.step, self.rule = told, 0, told.choice.rule
        if self.rule == "held-out" and not any(bool(mask.any()) for mask in told.hidden):
            self.rule = "variance"  # nothing but means: a flat picture
        self.window: Tensor | None = None
        self.best: Tensor | None = None
        self.chosen = -1
        patience, warm_up = max(1, round(_PATIENCE * steps)), round(_WARM_UP * steps)
        self._variance = stopping.Variance(stopping.Lowest(patience, warm_up))
        self._hidden = stopping.Lowest(max(1, patience // _CHECKED), warm_up // _CHECKED)

    def add(self, result: Tensor) -> bool:
        """Take the result of a step; return whether the fit is over."""
        share = max(WINDOW, 1 / (1 + self.step / 2))  # what comes first is soon forgotten
        self.window = stopping.mean(self.window, result, share=share)
        self.step += 1
        rule = self.rule
        if rule == "none":
            self.chosen = self.step
            return False
        if rule == "variance":
            better = self._variance.add(result)
        else:
            if self.step % _CHECKED:
                return False
            better = self._hidden.add(self.told.judged(self.window), share=0.5)
        if better:
            self.best, self.chosen = self.window.clone(), self.step
        return (self._hidden if rule == "held-out" else self._variance.lowest).over

    @property
    def picture(self) -> Tensor:
        """What was chosen; before there is a choice, the window."""
        found = self.best if self.best is not None else self.window
        assert found is not None
        return found


def fit(told: Problem, effort: Effort, note: Callable[[float, Tensor], bool]) -> Tensor:
    """Return the picture, R, G and B in 0..1, `(1, 3, H, W)`, that a network was fitted to show."""
    judge = Judge(told, steps=effort.limit)
    start = time.monotonic()
    for result in descend(told, steps=effort.limit, seed=effort.seed):
        over = judge.add(result)
        spent = (time.monotonic() - start) / effort.seconds if effort.seconds else 0.0
        done = max(judge.step / effort.limit, spent)
        if over or done >= 1 or not note(done, judge.picture):
            break
    return judge.picture


def doubt(tables: Sequence[Table]) -> Doubt:
    """Return how far the results of fits err in each coefficient of luma and chroma."""
    return Doubt(np.stack([np.full(table.shape, _DOUBT * np.sqrt(table.min()), np.float32) for table in tables]))


class UntrainedNetwork:
    """An engine (see `contract.Engine`) that fits a network of its own to each tile it is given.

    Args:
        effort: what is fitted, and what each fit may cost.
        device: where.
        sampling: the picture's subsampling.
        tiles: how many there will be.
        model: the shipped model, where its colors are expected.
        note: told the share of all that is done; False ends what runs, and makes what follows short.
        keep: hold what was restored, tile by tile, in `done`, for those who show it meanwhile.
    """

    def __init__(
        self,
        effort: Effort,
        device: torch.device,
        *,
        sampling: str,
        tiles: int = 1,
        model: Engine | None = None,
        note: Note | None = None,
        keep: bool = False,
    ) -> None:
        assert effort.untrained is not None
        self.effort, self.choice, self.device = effort, effort.untrained, device
        if sampling not in (*FACTORS, "gray"):
            if "interval" in self.choice.loss or self.choice.rule == "held-out":
                raise UsageError("intervals of Y, Cb and Cr", sampling, "choose another loss for this file: mse")
            sampling = "4:4:4"  # what is left to tell is how much SURE takes the file to err
        self.multiple, self.halo = SIZES[self.choice.network].multiple, _HALO
        self.sampling, self.tiles, self.model, self.note = sampling, tiles, model, note
        self.description = f"torch on {device}, untrained"
        self.keep, self.finished = keep, 0
        self.doubt: Doubt | None = None
        self._end: float | None = None
        self.done: list[Floats] = []

    def _share(self) -> Effort:
        """Return what the next tile's fit may cost: of the time that is left, as much as each that follows."""
        if self.effort.seconds is None:
            return self.effort
        now = time.monotonic()
        self._end = self._end or now + self.effort.seconds
        left = max(_LEAST, (self._end - now) / max(1, self.tiles - self.finished))
        return dataclasses.replace(self.effort, seconds=left)

    def restore(self, planes: Floats, tables: Sequence[Table]) -> Floats:
        """Return the restored planes; see `contract.Engine.restore`."""
        self.doubt = doubt(tables)
        whole = color.with_chroma(planes)
        modelled = self.model.restore(whole, tables) if self.model is not None else None
        told = problem(
            torch.from_numpy(whole)[None].to(self.device),
            torch.from_numpy(np.stack(tables).astype(np.float32)).to(self.device),
            sampling=self.sampling,
            choice=self.choice,
            seed=self.effort.seed,
            model=None if modelled is None else torch.from_numpy(modelled)[None].to(self.device),
        )

        def note(share: float, rgb: Tensor) -> bool:
            done = (self.finished + share) / self.tiles
            return self.note is None or self.note(done, lambda: _floats(rgb)[: len(planes)])

        restored = _floats(fit(told, self._share(), note))[: len(planes)]
        self.finished += 1
        if self.keep:
            self.done.append(restored)
        return restored


def _floats(rgb: Tensor) -> Floats:
    found: Floats = _planes(rgb)[0].float().cpu().contiguous().numpy()
    return found
