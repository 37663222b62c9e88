"""What a model gains on files whose quantization tables are not the IJG's: twenty sets, made by formula.

    python benchmarks/tables.py FOLDER [--model default] [--count 20] [--only N]

FOLDER holds clean pictures, which Pillow's encoder compresses with each set at 4:2:0. PSNR over RGB, each picture's
averaged; the gain is over Pillow's decode, "worst" the least of a picture. No model was trained on these sets.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jpegfilter import weights
from jpegfilter.codec.clean import decode, pictures, read_rgb
from jpegfilter.engines.network import EngineOptions
from jpegfilter.jpeg.tables import CHROMA, LUMA, ijg_table
from jpegfilter.jpeg.types import Table
from jpegfilter.metrics import METRICS
from jpegfilter.pipeline.restorer import Restorer

Real = NDArray[np.float64]
Pair = tuple[Table, Table]
V, U = np.mgrid[:8, :8].astype(np.float64)
RADIUS = np.hypot(V, U)
"""Distance of a frequency from the mean's, in half-cycles a block."""


def steps(values: Real) -> Table:
    """Return real steps as a table of 1..255."""
    return np.clip(np.rint(np.broadcast_to(values, (8, 8))), 1, 255).astype(np.uint16)


def same(values: Real) -> Pair:
    """Return one table for luma and chroma."""
    return steps(values), steps(values)


def annex(luma: int, chroma: int) -> Pair:
    """Return T.81's tables as the IJG scales them, of a quality for luma and one for chroma."""
    return ijg_table(LUMA, luma), ijg_table(CHROMA, chroma)


def contrast(*, finest: float, pixels: float) -> Pair:
    """Return steps in inverse proportion to the eye's contrast sensitivity, for luma and for twice coarser chroma.

    Mannos and Sakrison, "The effects of a visual fidelity criterion on the encoding of images" (IEEE Trans. Inf. Theory
    20, 1974): `2.6 (0.0192 + 0.114 f) exp(-(0.114 f)^1.1)` of `f` cycles a degree. As is usual for tables, frequencies
    below its peak are as good as the peak.

    Args:
        finest: the step at the peak.
        pixels: in a degree of the field of view.
    """

    def sensitivity(f: Real) -> Real:
        return 2.6 * (0.0192 + 0.114 * f) * np.exp(-((0.114 * f) ** 1.1))

    peak = 8.0  # of this very function, in cycles a degree
    found = sensitivity(np.maximum(RADIUS * pixels / 16, peak)) / sensitivity(np.array(peak))
    return steps(finest / found), steps(2 * finest / found)


def detection(*, scale: float, pixels: float) -> Pair:
    """Return steps in proportion to the least amplitude of each frequency that is seen; chroma's are 3 times coarser.

    The shape of Ahumada and Peterson, "Luminance-model-based DCT quantization for color image compression" (SPIE 1666,
    1992): a parabola in the logarithm of frequency beyond a peak, and oblique frequencies are seen less by a factor of
    `0.7 + 0.3 cos^2 theta`.

    Args:
        scale: the step at the peak.
        pixels: in a degree of the field of view.
    """
    frequency = np.maximum(RADIUS, 0.5) * pixels / 16
    slope, peak = 1.7, 4.0
    logs = np.maximum(np.log10(frequency / peak), 0) ** 2 * slope
    sine = 2 * V * U / np.maximum(RADIUS, 1) ** 2
    oblique = 0.7 + 0.3 * (1 - sine**2)
    found = scale * 10**logs / oblique
    return steps(found), steps(3 * found)


def perturbed(quality: int, *, seed: int) -> Pair:
    """Return the IJG's tables with each step times a random factor of 2/3 to 3/2."""
    random = np.random.default_rng(seed)
    factors = 1.5 ** random.uniform(-1, 1, (2, 8, 8))
    luma, chroma = (steps(table * by) for table, by in zip(annex(quality, quality), factors, strict=True))
    return luma, chroma


def cut(quality: int, *, above: float) -> Pair:
    """Return the IJG's tables with 255 for frequencies beyond a radius: they are all but dropped."""
    luma, chroma = (np.where(above < RADIUS, 255, table).astype(np.uint16) for table in annex(quality, quality))
    return luma, chroma


SETS: dict[str, Callable[[], Pair]] = {
    "flat, 8": lambda: same(np.array(8.0)),
    "flat, 20": lambda: same(np.array(20.0)),
    "flat, 48": lambda: same(np.array(48.0)),
    "linear, 4 to 60": lambda: same(4 + 4 * (V + U)),
    "steep, 6 to 255": lambda: same(6 * 1.35 ** (V + U)),
    "steep, 16 to 255": lambda: same(16 * 1.25 ** (V + U)),
    "falling, 40 to 12": lambda: same(40 - 2 * (V + U)),
    "luma's for chroma, 30": lambda: (ijg_table(LUMA, 30),) * 2,
    "luma's for chroma, 80": lambda: (ijg_table(LUMA, 80),) * 2,
    "chroma's for luma, 40": lambda: (ijg_table(CHROMA, 40),) * 2,
    "luma 70, chroma 15": lambda: annex(70, 15),
    "luma 15, chroma 85": lambda: annex(15, 85),
    "255 beyond 6, 50": lambda: cut(50, above=6),
    "255 beyond 3, 85": lambda: cut(85, above=3),
    "columns coarser": lambda: same(8 + 2 * V + 10 * U),
    "contrast sensitivity, 12": lambda: contrast(finest=12, pixels=32),
    "contrast sensitivity, 24": lambda: contrast(finest=24, pixels=48),
    "detection, 10": lambda: detection(scale=10, pixels=32),
    "perturbed 25": lambda: perturbed(25, seed=1),
    "perturbed 75": lambda: perturbed(75, seed=2),
}
"""Sets of tables by name: those of luma and of chroma, `[v, u]`."""


def compress(pixels: NDArray[np.uint8], pair: Pair) -> bytes:
    """Return RGB pixels as a JPEG with these tables, 4:2:0."""
    file = io.BytesIO()
    tables = [table.ravel().tolist() for table in pair]
    Image.fromarray(pixels).save(file, "JPEG", qtables=tables, subsampling="4:2:0")
    return file.getvalue()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=weights.DEFAULT)
    parser.add_argument("--count", type=int, default=len(SETS), help="the first so many sets")
    parser.add_argument("--only", type=int, help="the first so many pictures")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    restorer = Restorer(EngineOptions(model=options.model, threads=options.threads))
    psnr = METRICS["psnr"]
    print("| tables | JPEG | gain, dB | worst picture |\n|---|---|---|---|")
    for name in list(SETS)[: options.count]:
        before, gains = [], []
        for path in pictures(options.folder)[: options.only]:
            clean = read_rgb(path)
            content = compress(clean, SETS[name]())
            before.append(psnr(decode(content), clean))
            gains.append(psnr(np.asarray(restorer.restore(content)), clean) - before[-1])
        print(f"| {name} | {np.mean(before):.2f} | {np.mean(gains):+.2f} | {min(gains):+.2f} |", flush=True)


if __name__ == "__main__":
    main()
