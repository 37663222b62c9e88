"""Draw the gain in PSNR over the plain JPEG from quality 5 to 100, for our models and the published rows.

    python benchmarks/curve.py LIVE1 docs/images/gain.png [--models default,fast,fast-arcnn] [--qualities 5,10,...]

LIVE1 is the folder of its 29 color pictures; any other folder of clean pictures is drawn without the published rows.
4:2:0, Pillow's encoder, PSNR over RGB. Needs matplotlib.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot

from jpegfilter.engines.network import EngineOptions
from jpegfilter.pipeline.evaluation import PLAIN, evaluate
from jpegfilter.pipeline.restorer import Restorer

PUBLISHED = {
    "QGAC": {10: 27.62, 20: 29.88, 30: 31.17, 40: 32.05, 90: 37.75, 95: 37.50, 100: 38.97},
    "FBCNN": {10: 27.77, 20: 30.11, 30: 31.43, 40: 32.34, 90: 38.25, 95: 40.23, 100: 42.23},
    "JDEC": {10: 27.95, 20: 30.26, 30: 31.59, 40: 32.50, 90: 38.72, 95: 40.41, 100: 45.14},
}
"""PSNR on LIVE1, color, 4:2:0, as their authors and JDEC's print it; one model for all qualities."""


def main() -> None:
    """Draw the curve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--models", default="default,fast,fast-arcnn")
    parser.add_argument("--qualities", default="5,10,15,20,30,40,50,60,70,75,80,85,90,95,98,100")
    options = parser.parse_args()
    qualities = [int(quality) for quality in options.qualities.split(",")]
    restorers = {name: Restorer(EngineOptions(model=name)) for name in options.models.split(",")}
    curves: dict[str, dict[int, float]] = {name: {} for name in (PLAIN, *restorers)}
    for score in evaluate(options.folder, restorers, qualities=qualities, metrics=("psnr",)):
        curves[score.name][score.quality] = score.figures["psnr"]
    plain = curves.pop(PLAIN)
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure, axes = pyplot.subplots(figsize=(7.2, 3.8), dpi=120)
    for name, curve in curves.items():
        axes.plot(qualities, [curve[quality] - plain[quality] for quality in qualities], label=name, linewidth=1.6)
    if options.folder.name.lower() == "live1":
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
        print(name, "  ".join(f"q{quality} {curve[quality] - plain[quality]:+.2f}" for quality in qualities))


if __name__ == "__main__":
    main()
