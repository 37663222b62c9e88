"""Traces of an earlier compression that no header tells of: its quality, and where its blocks lay.

A compression leaves every coefficient of its own blocks at a multiple of its step. What came later - rounding to 8-bit
samples, a finer compression, on the same grid or, after a crop, on another - moves it off the multiple by a known
spread. So a guess of grid and quality can be tested: coefficients divided by the guessed step have fractions that
gather around 0 if the guess is right, and are spread evenly if there was no such compression. The logarithm of the
ratio of the two likelihoods, added up over blocks and frequencies, is the evidence. After Fan and de Queiroz,
"Identification of bitmap compression history" (2003). See docs/math.md, section 7.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegfilter.jpeg import dct, tables
from jpegfilter.jpeg.types import Floats, Table

WINDOW = 192
"""Side of the windows in which a picture is looked at, a multiple of a block's."""
WINDOWS = 3
"""Windows along one side of a picture, at the most."""
_BLOCKS = 700
"""Blocks whose coefficients are tested."""
_FREQUENCIES = 28
"""Frequencies tested, from the lowest: the others are nearly always quantized to 0 and say nothing."""
_ROUNDING = 0.5
"""Standard deviation of a coefficient after rounding to 8-bit samples, and libjpeg's integer transform."""
_CLIPPING = 1.75
"""The same of a coefficient among samples that were clipped to 0..255."""
_CLIPPED = 0.3
"""Share of such coefficients."""
_ODD = 0.03
"""Share of coefficients that something else has moved: clipping, an overlay, an edit."""
_WIDEST = 0.3
"""Largest spread in steps at which a frequency can tell a multiple from any other number."""
_ALIKE = 0.25
"""Blocks whose coefficients differ by less than about this are one block, which is no evidence twice over."""
_ENOUGH = 30.0
"""Evidence, in natural logarithms, below which nothing is claimed."""
_EACH = 0.12
"""Evidence for each coefficient tested, below which nothing is claimed: a true past gives much more."""
_COARSER = 1.6
"""Ratio to the last compression's step on the same grid below which a step left no gaps among the multiples."""
_LEAST = 0.3
"""Smallest coefficient tested, in guessed steps, where the last compression had the same grid; elsewhere a half."""
_STIR = 12.0
"""Step beyond which a shifted last compression moves a coefficient no further: it is then quantized to 0."""
_FINER = 4
"""Qualities by which an earlier compression must be coarser than the last to matter."""
_FINEST = 92
"""Finest earlier quality that is looked for: finer ones left nothing to remove."""


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier compression.

    Attributes:
        quality: the IJG quality that fits it best.
        top: rows above its first whole block, 0..7.
        left: columns left of its first whole block, 0..7.
        evidence: natural logarithm of how much likelier the picture is with it than without it.
    """

    quality: int
    top: int
    left: int
    evidence: float


def windows(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Yield where to look at a picture: a grid of windows, or the whole if it is small; edges on multiples of 8."""

    def places(length: int) -> list[slice]:
        if length <= WINDOW * WINDOWS:
            return [slice(0, length)]
        starts = np.linspace(0, length - WINDOW, WINDOWS).astype(int) // dct.BLOCK * dct.BLOCK
        return [slice(int(start), int(start) + WINDOW) for start in starts]

    for rows in places(height):
        for columns in places(width):
            yield rows, columns


def _blockiness(luma: Floats) -> NDArray[np.float64]:
    """Return, for each phase 0..7, how much larger the steps across columns of that phase are than beside it."""
    step = np.minimum(np.abs(np.diff(luma, axis=1)), 24.0).mean(0)
    excess = step[1:-1] - (step[:-2] + step[2:]) / 2
    phases = (np.arange(len(excess)) + 2) % dct.BLOCK
    return np.array([excess[phases == phase].mean() if (phases == phase).any() else 0.0 for phase in range(dct.BLOCK)])


def _likely_phases(parts: Sequence[Floats]) -> list[int]:
    """Return the two phases of columns with the strongest steps, and 0."""
    blockiness = sum((_blockiness(part) for part in parts), np.zeros(dct.BLOCK))
    order = np.argsort(-blockiness)
    return sorted({0, int(order[0]), int(order[1])})


def _coefficients(parts: Sequence[Floats], top: int, left: int) -> Floats:
    """Return the coefficients of some blocks of a grid, `(blocks, 64)`, without flat blocks and repeated ones."""
    found = []
    for part in parts:
        rows, columns = (part.shape[0] - top) // dct.BLOCK, (part.shape[1] - left) // dct.BLOCK
        if rows > 0 and columns > 0:
            inside = part[top : top + rows * dct.BLOCK, left : left + columns * dct.BLOCK]
            found.append(dct.forward(np.ascontiguousarray(inside)).reshape(-1, 64))
    blocks = np.concatenate(found) if found else np.zeros((0, 64), np.float32)
    blocks = blocks[np.abs(blocks[:, 1:]).max(1, initial=0) > 2]
    some: Floats = blocks[:: max(1, -(-len(blocks) // _BLOCKS))]
    _, first = np.unique(np.rint(some[:, 1:] / _ALIKE), axis=0, return_index=True)
    return some[np.sort(first)]


def _zigzag() -> NDArray[np.int64]:
    v, u = np.divmod(np.arange(64), 8)
    return np.lexsort((v, u + v))


_LOWEST = _zigzag()[1 : _FREQUENCIES + 1]


def _evidence(blocks: Floats, table: Table, stir: Floats, ruled: Floats) -> tuple[float, int]:
    """Return the evidence for a table, and the number of coefficients it comes from.

    Args:
        blocks: coefficients `(blocks, 64)`.
        table: guessed steps.
        stir: variance that a later compression added to each coefficient, `(64,)`.
        ruled: steps of the last compression if it had the same grid, `(64,)`, otherwise zeros.
    """
    steps = table.reshape(64).astype(np.float32)
    near, far = (np.sqrt(moved**2 + stir) / steps for moved in (_ROUNDING, _CLIPPING))
    told = _LOWEST[(near[_LOWEST] < _WIDEST) & (steps[_LOWEST] > _COARSER * ruled[_LOWEST])]
    if not len(told):
        return 0.0, 0
    ratio = blocks[:, told] / steps[told]
    fraction = np.square(ratio - np.rint(ratio))
    density = np.full_like(fraction, _ODD)
    for share, width in ((1 - _ODD - _CLIPPED, near[told]), (_CLIPPED, far[told])):
        density += share / (width * np.float32(np.sqrt(2 * np.pi))) * np.exp(-0.5 / width**2 * fraction)
    tested = np.abs(ratio) > np.where(ruled[told] > 0, _LEAST, 0.5)
    return float(np.log(density[tested]).sum()), int(tested.sum())


def _best(blocks: Floats, qualities: Iterable[int], stir: Floats, ruled: Floats) -> tuple[float, int, int]:
    """Return the largest evidence among qualities, the number of coefficients behind it, and the quality."""
    tested = ((*_evidence(blocks, tables.ijg_table(tables.LUMA, q), stir, ruled), q) for q in qualities)
    return max(tested, key=lambda found: found[0], default=(0.0, 0, 0))


def find(parts: Sequence[Floats], header: Table | None) -> Past | None:
    """Return the earlier compression that a picture shows traces of, or None.

    Args:
        parts: level-shifted luma of some windows of the picture, in 8-bit steps; their edges lie on the grid of the
            last compression, or on multiples of 8 of a picture that is no JPEG.
        header: luma table of the last compression, `[v, u]`; None for a picture that is no JPEG.
    """
    last = header.reshape(64).astype(np.float32) if header is not None else np.zeros(64, np.float32)
    finest = min(_FINEST, tables.estimate_quality(header) - _FINER) if header is not None else _FINEST
    qualities = range(5, finest + 1)
    if not qualities:
        return None
    rows, columns = _likely_phases([part.T for part in parts]), _likely_phases(parts)
    best: Past | None = None
    for top in rows:
        for left in columns:
            same = top == left == 0
            ruled = last if same else np.zeros_like(last)
            stir = np.square(last if same else np.full_like(last, np.minimum(last, _STIR).mean())) / 12
            blocks = _coefficients(parts, top, left)
            evidence, count, quality = _best(blocks, qualities, stir, ruled)
            claimed = evidence > max(_ENOUGH, _EACH * count)
            if claimed and (best is None or evidence > best.evidence):
                best = Past(quality, top, left, evidence)
    return best
