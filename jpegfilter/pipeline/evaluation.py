"""Scoring models: clean pictures compressed at given qualities, restored, and compared with what they were.

Conventions: 8-bit RGB; every figure is computed for each picture and averaged over pictures. The plain JPEG is Pillow's
decode, with its smooth chroma upsampling.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jpegfilter.codec.clean import compress, decode, pictures, read_rgb
from jpegfilter.errors import UsageError
from jpegfilter.metrics import METRICS
from jpegfilter.pipeline.restorer import Restorer

PLAIN = "jpeg"
"""Name of the row of the plain decode."""


@dataclass(frozen=True, slots=True)
class Score:
    """Means over a folder of pictures.

    Attributes:
        name: the model's, or "jpeg".
        subsampling: of the JPEGs.
        quality: of the JPEGs.
        figures: mean of each metric by its name.
        worst_gain: smallest difference in PSNR to the plain decode over the pictures, in dB.
    """

    name: str
    subsampling: str
    quality: int
    figures: dict[str, float]
    worst_gain: float


def _mean(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each figure; one that some picture is too small for is NaN."""
    return {name: math.fsum(row[name] for row in rows) / len(rows) for name in rows[0]}


def evaluate(
    folder: Path,
    restorers: Mapping[str, Restorer],
    *,
    qualities: Sequence[int],
    subsamplings: Sequence[str] = ("4:2:0",),
    metrics: Sequence[str] = tuple(METRICS),
) -> Iterator[Score]:
    """Yield, for every subsampling and quality, the score of the plain JPEG and then of each restorer.

    Raises:
        UsageError: no picture in the folder, or an unknown metric.
        InputError: a picture that cannot be read.
    """
    unknown = set(metrics) - set(METRICS)
    if unknown:
        raise UsageError("known metrics", ", ".join(sorted(unknown)), f"choose among: {', '.join(METRICS)}")
    paths = pictures(folder)
    if not paths:
        raise UsageError("a folder of lossless pictures", f"none in {folder}", "name another folder")
    for subsampling in subsamplings:
        for quality in qualities:
            rows: dict[str, list[dict[str, float]]] = {name: [] for name in (PLAIN, *restorers)}
            for path in paths:
                clean = read_rgb(path)
                content = compress(clean, quality=quality, subsampling=subsampling)
                results = {PLAIN: decode(content)}
                results |= {name: np.asarray(restorer.restore(content)) for name, restorer in restorers.items()}
                for name, pixels in results.items():
                    rows[name].append(
                        {metric: METRICS[metric](pixels, clean) for metric in dict.fromkeys(("psnr", *metrics))}
                    )
            for name, figures in rows.items():
                gains = [row["psnr"] - plain["psnr"] for row, plain in zip(figures, rows[PLAIN], strict=True)]
                mean = {metric: value for metric, value in _mean(figures).items() if metric in metrics}
                yield Score(name, subsampling, quality, mean, min(gains))
