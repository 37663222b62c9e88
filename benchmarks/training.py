"""Draw a training run from its log: the loss between two lines, and the gain on held-out pictures.

    jpegfilter train RECIPE ... 2>&1 | tee LOG
    python benchmarks/training.py LOG PLOT.png

Needs matplotlib. Where a run was stopped and went on, the log goes on, too (`tee --append`).
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

LOSS = re.compile(r"step (\d+) of \d+, rate \S+, loss (\S+),")
VALIDATION = re.compile(r"step (\d+), validation: (.*)")
SCORE = re.compile(r"(q\d+) \S+ ([+-]\S+)")


def read(text: str) -> tuple[dict[int, float], dict[str, dict[int, float]]]:
    """Return the loss by step, and by quality the score on held-out pictures by step, of a log."""
    losses = {int(step): float(loss) for step, loss in LOSS.findall(text)}
    scores: dict[str, dict[int, float]] = {}
    for step, line in VALIDATION.findall(text):
        for quality, score in SCORE.findall(line):
            scores.setdefault(quality, {})[int(step)] = float(score)
    return losses, scores


def main() -> None:
    """Draw the log."""
    import matplotlib as mpl
    from matplotlib import pyplot

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("log", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    losses, scores = read(options.log.read_text(encoding="utf-8"))
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False})
    figure, axes = pyplot.subplots(figsize=(7.2, 3.4), dpi=120)
    axes.plot(list(losses), list(losses.values()), color="gray", linewidth=1)
    axes.set(xlabel="steps", ylabel="loss", yscale="log")
    if scores:
        gains = axes.twinx()
        for quality, curve in scores.items():
            gains.plot(list(curve), list(curve.values()), "o-", markersize=3, label=quality)
        gains.set(ylabel="gain on held-out pictures, dB")
        gains.legend(frameon=False, ncols=3)
    figure.tight_layout()
    figure.savefig(options.out)


if __name__ == "__main__":
    main()
