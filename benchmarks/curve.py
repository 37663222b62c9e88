"""Draw the gain in PSNR over the plain JPEG by quality, for our models and, of LIVE1, the published rows.

    jpegfilter evaluate live1 --model default --model fast --qualities 5,10,20,30,50,75,90,100 --json scores.json
    python benchmarks/curve.py docs/images/gain.png scores.json [more.json ...] [--published]

Scores in 4:2:0 are drawn. Published rows are of LIVE1, 29 color pictures, PSNR over RGB. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot

from jpegfilter.pipeline.evaluation import PLAIN

PUBLISHED = {
    "QGAC": {10: 27.62, 20: 29.88, 30: 31.17, 40: 32.05, 90: 37.75, 95: 37.50, 100: 38.97},
    "FBCNN": {10: 27.77, 20: 30.11, 30: 31.43, 40: 32.34, 90: 38.25, 95: 40.23, 100: 42.23},
    "JDEC": {10: 27.95, 20: 30.26, 30: 31.59, 40: 32.50, 90: 38.72, 95: 40.41, 100: 45.14},
}
"""PSNR on LIVE1, color, 4:2:0, as their authors and JDEC's print it; one model for all qualities."""


def main() -> None:
    """Draw the curve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("scores", type=Path, nargs="+")
    parser.add_argument("--published", action="store_true")
    options = parser.parse_args()
    curves: dict[str, dict[int, float]] = {}
    for path in options.scores:
        for row in json.loads(path.read_text(encoding="utf-8")):
            if row["subsampling"] == "4:2:0":
                curves.setdefault(row["name"], {})[row["quality"]] = row["figures"]["psnr"]
    plain = curves.pop(PLAIN)
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure, axes = pyplot.subplots(figsize=(7.2, 3.8), dpi=120)
    for name, curve in curves.items():
        qualities = sorted(curve)
        axes.plot(qualities, [curve[quality] - plain[quality] for quality in qualities], label=name, linewidth=1.6)
    if options.published:
        for marker, (name, row) in zip("osD", PUBLISHED.items(), strict=True):
            seen = [quality for quality in row if quality in plain]
            gains = [row[quality] - plain[quality] for quality in seen]
            axes.plot(seen, gains, marker, label=f"{name}, published", markersize=3.5, color="gray", fillstyle="none")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(xlabel="JPEG quality", ylabel="gain in PSNR, dB", ylim=(-2.2, 2.6))
    axes.legend(frameon=False, ncols=2, loc="lower left")
    figure.tight_layout()
    figure.savefig(options.out)
    for name, curve in curves.items():
        print(name, "  ".join(f"q{quality} {curve[quality] - plain[quality]:+.2f}" for quality in sorted(curve)))


if __name__ == "__main__":
    main()
