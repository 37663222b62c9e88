"""Sampling geometry: how components of different resolution meet on one grid. See docs/math.md, section 3."""

from __future__ import annotations

import numpy as np

from jpegfilter.jpeg.types import Floats

FACTORS: dict[str, tuple[int, int]] = {
    "4:4:4": (1, 1),
    "4:2:2": (1, 2),
    "4:2:0": (2, 2),
    "4:4:0": (2, 1),
    "4:1:1": (1, 4),
    "4:1:0": (2, 4),
    "4:4:1": (4, 1),
}
"""Luma samples down and across for one chroma sample."""
