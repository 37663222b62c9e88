"""What fitting a network to each picture gains, and what it takes.

    python benchmarks/optimize.py FOLDER --qualities 10,20,30 [--model NAME] [--steps 200] [--out FIGURES.csv]

FOLDER holds clean pictures in lossless files. Each is compressed, 4:2:0, and restored by the model as it is, by its
mirrored views alone, and by the fit. The CSV has a line for each picture and quality; what is in it already is not
done again. The table on standard output has the means: PSNR of the plain JPEG and of the model, what views and the fit
add to the model, the worst picture of the fit, and seconds a picture for the fit.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np

from jpegfilter.codec.clean import compress, decode, pictures, read_rgb
from jpegfilter.engines.effort import Effort
from jpegfilter.engines.network import EngineOptions
from jpegfilter.metrics import METRICS
from jpegfilter.pipeline.following import Follow
from jpegfilter.pipeline.restorer import Restorer
from jpegfilter.weights import DEFAULT

FIELDS = ("picture", "quality", "plain", "model", "views", "fit", "seconds")


def figures(clean, quality: int, restorers: list[Restorer]) -> list[float]:
    """Return the PSNR of the plain JPEG and of each restorer's picture, and the seconds of the last."""
    content = compress(clean, quality=quality)
    found = [METRICS["psnr"](decode(content), clean)]
    for restorer in restorers:
        start = time.perf_counter()
        found.append(METRICS["psnr"](np.asarray(restorer.restore(content)), clean))
    return [*found, time.perf_counter() - start]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--qualities", default="10,20,30")
    parser.add_argument("--model", default=DEFAULT)
    parser.add_argument("--steps", type=int, default=Effort().limit)
    parser.add_argument("--only", type=int, help="so many pictures")
    parser.add_argument("--out", type=Path, default=Path("optimize.csv"))
    options = parser.parse_args()
    engine, effort = EngineOptions(options.model), Effort(options.steps)
    restorers = [
        Restorer(engine),
        Restorer(engine, effort=effort, follow=Follow(halted=lambda: True)),
        Restorer(engine, effort=effort),
    ]
    qualities = [int(quality) for quality in options.qualities.split(",")]
    rows = list(csv.DictReader(options.out.open())) if options.out.exists() else []
    done = {(row["picture"], int(row["quality"])) for row in rows}
    with options.out.open("a", newline="") as file:
        writer = csv.writer(file)
        if not rows:
            writer.writerow(FIELDS)
        for path in pictures(options.folder)[: options.only]:
            for quality in qualities:
                if (path.name, quality) not in done:
                    found = figures(read_rgb(path), quality, restorers)
                    writer.writerow((path.name, quality, *(f"{value:.4f}" for value in found)))
                    file.flush()
    rows = list(csv.DictReader(options.out.open()))
    print("| q | pictures | JPEG | model | views | fit | worst | seconds |\n|---|---|---|---|---|---|---|---|")
    for quality in qualities:
        table = np.array([[float(row[name]) for name in FIELDS[2:]] for row in rows if int(row["quality"]) == quality])
        plain, model, views, fit, seconds = table.T
        gains = f"{np.mean(views - model):+.3f} | {np.mean(fit - model):+.3f} | {np.min(fit - model):+.3f}"
        print(
            f"| {quality} | {len(table)} | {plain.mean():.2f} | {model.mean():.2f} | {gains} | {seconds.mean():.0f} |"
        )


if __name__ == "__main__":
    main()
