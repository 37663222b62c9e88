"""The intervals a file states for its coefficients, and the projection onto them. See docs/math.md, section 4.

A compressor rounds each coefficient c to k = round(c / q). Whoever reads k and q knows that c lay in
`[(k - 1/2) q, (k + 1/2) q]`; a picture with all coefficients inside is one that this very file could have come from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jpegfilter.jpeg import dct, sampling
from jpegfilter.jpeg.image import Component
from jpegfilter.jpeg.types import Floats, Table

CAUGHT = 8.0
"""How heavily a block is doubted for estimates caught outside their intervals, where that was not measured."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """How far estimates of coefficients err.

    Attributes:
        deviation: standard deviation in each coefficient, in 8-bit steps: `[v, u]` of one component, or of luma and of
            chroma, `(2, 8, 8)`.
        caught: how heavily a block is doubted for estimates caught outside their intervals.
    """

    deviation: Floats
    caught: float = CAUGHT

    def of(self, index: int) -> Doubt:
        """Return the doubt of luma, 0, or of chroma, 1."""
        return Doubt(self.deviation[index], self.caught)


def trust(table: Table, doubt: Doubt, caught: Floats) -> Floats:
    """Return how far to follow an estimate away from the middle of each interval, 0..1, `[block row, column, v, u]`.

    Two witnesses speak about a coefficient: the file, whose middle errs by a variance of `q^2 / 12`, and the estimate,
    which errs by its deviation's square, and by more in a block where it was caught. The best blend of two independent
    witnesses weighs each by the other's variance.

    Args:
        table: quantization steps, `[v, u]`.
        doubt: of this component.
        caught: mean square distance from their intervals of each block's estimates, `[block row, block column]`.
    """
    deviation = doubt.deviation.astype(caught.dtype)
    told = table.astype(deviation.dtype) ** 2 / 12
    share: Floats = deviation.dtype.type(doubt.caught) * caught[..., None, None] + (told + deviation**2)
    np.divide(told, share, out=share)
    return share


def keep_detail(plane: Floats, plain: Floats, table: Table, *, share: float) -> Floats:
    """Return a restored plane with a share of the detail that the compression recorded, as it recorded it.

    The best guess of a coefficient is nearer to 0 than the step it was rounded to: right on average, but film grain,
    which is all chance, loses contrast by it. What was rounded to 0 stays as restored: there are the artifacts.

    Args:
        plane: restored, `(block rows * 8, block columns * 8)`, level-shifted, not rounded.
        plain: the same place as the decoder has it.
        table: quantization steps of its blocks, `[v, u]`.
        share: 0 returns the restored plane; 1 the decoder's coefficients where they are not 0, but for the means.
    """
    recorded = dct.forward(plain)
    change = recorded - dct.forward(plane)
    change[np.rint(recorded / table.astype(plane.dtype)) == 0] = 0
    change[..., 0, 0] = 0
    change *= plane.dtype.type(share)
    kept: Floats = plane + dct.inverse(change)
    return kept


def project(plane: Floats, component: Component, *, doubt: Doubt | None = None) -> Floats:
    """Return the nearest plane whose coefficients all lie inside their intervals.

    The plane is at the image's resolution. For a subsampled component the coefficients are those of the cells' means;
    what the nearest plane adds is then constant over a cell, since repetition is the pseudo-inverse of the mean.

    Args:
        plane: level-shifted `(block rows * 8 * down, block columns * 8 * across)`, not rounded.
        component: the coefficients and table of just this region.
        doubt: of this component, see `trust`; coefficients are first drawn to the middle of their intervals by so much.
            None trusts the plane fully.

    Returns:
        A new plane of the same shape; neither rounded nor clipped. Its coefficients are inside to float32's precision.
    """
    down, across = component.down, component.across
    small = sampling.average(plane, down=down, across=across)
    deviation = dct.forward(small)
    steps = component.table.astype(plane.dtype)
    deviation -= component.coefficients * steps
    half = steps * plane.dtype.type(0.5)
    followed = np.clip(deviation, -half, half)
    if doubt is not None:
        outside = deviation - followed
        caught = np.einsum("rcvu,rcvu->rc", outside, outside) / plane.dtype.type(dct.BLOCK**2)
        np.multiply(deviation, trust(component.table, doubt, caught), out=followed)
        np.clip(followed, -half, half, out=followed)
    followed -= deviation
    correction = dct.inverse(followed)
    if down == across == 1:
        correction += plane
        return correction
    height, width = small.shape
    cells = plane.reshape(height, down, width, across) + correction[:, None, :, None]
    return cells.reshape(plane.shape)
