"""Quantization tables, the IJG quality scale, and the quality a table most resembles."""

from __future__ import annotations

import numpy as np

from jpegfilter.jpeg.types import Table

LUMA: Table = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    dtype=np.uint16,
)
"""Luminance table of T.81, K.1, `[v, u]`: the IJG's quality 50."""

CHROMA: Table = np.array(
    [
        [17, 18, 24, 47, 99, 99, 99, 99],
        [18, 21, 26, 66, 99, 99, 99, 99],
        [24, 26, 56, 99, 99, 99, 99, 99],
        [47, 66, 99, 99, 99, 99, 99, 99],
        [99, 99, 99, 99, 99, 99, 99, 99],
        [99, 99, 99, 99, 99, 99, 99, 99],
        [99, 99, 99, 99, 99, 99, 99, 99],
        [99, 99, 99, 99, 99, 99, 99, 99],
    ],
    dtype=np.uint16,
)
"""Chrominance table of T.81, K.1, `[v, u]`."""


def ijg_scale(quality: int) -> int:
    """Return the percentage by which the IJG's software scales its tables at `quality` 1..100."""
    if not 1 <= quality <= 100:
        raise ValueError(f"quality must be 1..100, not {quality}")
    return 5000 // quality if quality < 50 else 200 - 2 * quality


def ijg_table(base: Table, quality: int) -> Table:
    """Return `base` scaled to `quality` as the IJG's `jpeg_set_quality` does with `force_baseline`.

    Args:
        base: table at quality 50, `[v, u]`.
        quality: 1 (coarsest) to 100 (all ones).

    Returns:
        Steps 1..255, `[v, u]`.
    """
    scaled = (base.astype(np.int64) * ijg_scale(quality) + 50) // 100
    return np.clip(scaled, 1, 255).astype(np.uint16)


def estimate_quality(table: Table, base: Table = LUMA) -> int:
    """Return the IJG quality 1..100 whose table is nearest to `table`, by mean absolute difference of logarithms.

    The answer is exact for tables made by the IJG's software, and the nearest in strength for all others. Qualities
    whose tables are equal answer with the highest of them.
    """
    target = np.log(table.astype(np.float64))
    distance = [np.abs(np.log(ijg_table(base, q)) - target).mean() for q in range(100, 0, -1)]
    return 100 - int(np.argmin(distance))


def is_ijg(table: Table, base: Table = LUMA) -> bool:
    """Return whether `table` is exactly one of the IJG's hundred."""
    return bool(np.array_equal(ijg_table(base, estimate_quality(table, base)), table))
