"""The tables of Barrack's report on Kodak24, with the intervals and the rules to stop by beside them.

    python benchmarks/untrained.py kodak24 --networks low,medium --losses mse,interval --qualities 10,25 [--crop 256]
        [--steps 2000] [--only N] [--out FIGURES.csv] [--plot PLOT.png]

FOLDER holds clean pictures; `--crop` takes the middle of each. Each is compressed by Pillow, 4:2:0, and a network of
every size is fitted to it with every loss, where `ten` stands for the report's; one with a divergence may be followed
by `+model`, for the shipped model's colors as those expected, and by `+regions4` or another number. The CSV has a line
for each fit; what is in it already is not done again. The table has means over the pictures: PSNR and MS-SSIM of the
plain JPEG; of the sliding window at its best, as the report has it, chosen with the clean picture; PSNR of the same as
the program writes it, followed as far as it is trusted; where each rule would have stopped that, and what it costs (its
regret); and the published figures. `--plot` draws what the window and what the program writes gain over the steps, of
the first picture that was fitted to, with matplotlib.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import time
from pathlib import Path

import numpy as np
import torch

from jpegfilter.codec import read
from jpegfilter.codec.clean import compress, decode, pictures, read_rgb
from jpegfilter.engines import untrained
from jpegfilter.engines.effort import TEN_LOSSES, Untrained
from jpegfilter.engines.network import EngineOptions, open_network
from jpegfilter.jpeg import bounds, color
from jpegfilter.jpeg import decode as planes_of
from jpegfilter.jpeg.decode import Region
from jpegfilter.jpeg.image import JpegImage
from jpegfilter.metrics import METRICS
from jpegfilter.pipeline import components

RULES = ("held-out", "variance")
FIELDS = (
    "picture", "network", "loss", "quality", "crop", "steps", "plain", "plain ms-ssim", "best", "best ms-ssim",
    "best step", "kept", "last", *(f"{rule}{what}" for rule in RULES for what in ("", " step")), "seconds",
    "held-out ms-ssim",
)  # fmt: skip
_KEY = 6
"""Fields that say which fit a line is of."""
EVERY = 20
PUBLISHED = {
    ("high", 10): {"plain": (26.67, 0.894), "mse": (27.20, 0.911), "sure": (26.84, 0.899), "kl-p-mse": (27.20, 0.914),
                   "kl-q-mse": (27.26, 0.914), "kl-p-sure": (26.82, 0.900), "kl-q-sure": (26.82, 0.900)},
    ("high", 15): {"plain": (28.14, 0.927), "mse": (28.01, 0.926), "sure": (27.85, 0.922), "kl-p-mse": (28.34, 0.934),
                   "kl-q-mse": (28.32, 0.933), "kl-p-sure": (27.84, 0.922), "kl-q-sure": (27.88, 0.922)},
    ("high", 25): {"plain": (29.89, 0.956), "mse": (28.75, 0.937), "sure": (28.71, 0.938), "kl-p-mse": (29.31, 0.947),
                   "kl-q-mse": (29.37, 0.947), "kl-p-sure": (28.76, 0.938), "kl-q-sure": (28.66, 0.938)},
    ("medium", 10): {"mse": (26.51, 0.892), "sure": (25.55, 0.887), "kl-p-mse": (26.53, 0.892),
                     "kl-q-mse": (26.54, 0.893), "kl-p-sure": (25.47, 0.887), "kl-q-sure": (25.52, 0.888)},
    ("medium", 15): {"mse": (26.76, 0.897), "sure": (26.19, 0.905), "kl-p-mse": (27.12, 0.905),
                     "kl-q-mse": (27.13, 0.905), "kl-p-sure": (26.26, 0.908), "kl-q-sure": (26.35, 0.908)},
    ("medium", 25): {"mse": (27.03, 0.901), "sure": (26.62, 0.918), "kl-p-mse": (27.54, 0.913),
                     "kl-q-mse": (27.47, 0.912), "kl-p-sure": (26.87, 0.919), "kl-q-sure": (26.88, 0.920)},
    ("low", 10): {"mse": (26.83, 0.901), "sure": (23.66, 0.826), "kl-p-mse": (26.85, 0.901),
                  "kl-q-mse": (26.83, 0.901), "kl-p-sure": (23.57, 0.824), "kl-q-sure": (23.64, 0.827)},
    ("low", 15): {"mse": (27.15, 0.908), "sure": (23.59, 0.828), "kl-p-mse": (27.53, 0.916),
                  "kl-q-mse": (27.52, 0.915), "kl-p-sure": (23.77, 0.829), "kl-q-sure": (23.87, 0.832)},
    ("low", 25): {"mse": (27.49, 0.912), "sure": (23.77, 0.834), "kl-p-mse": (28.00, 0.925),
                  "kl-q-mse": (27.98, 0.924), "kl-p-sure": (23.85, 0.835), "kl-q-sure": (24.01, 0.836)},
}  # fmt: skip
"""PSNR and MS-SSIM of the report, with the better of its two weights, whole pictures, stopped by the clean one."""


def middle(clean: np.ndarray, side: int | None) -> np.ndarray:
    """Return the middle of a picture, of so many samples a side."""
    if side is None:
        return clean
    top, left = ((size - side) // 2 for size in clean.shape[:2])
    return np.ascontiguousarray(clean[top : top + side, left : left + side])


def pixels(rgb: torch.Tensor) -> np.ndarray:
    """Return 8-bit pixels `(H, W, 3)` of a network's result."""
    return (rgb[0] * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()


def kept(rgb: torch.Tensor, image: JpegImage) -> np.ndarray:
    """Return 8-bit pixels of a result inside a file's intervals, followed as far as it is trusted; of whole MCUs."""
    planes = color.ycbcr_from_rgb(rgb[0].float().cpu().numpy() * np.float32(255) - np.float32(color.CENTRE))
    doubt = untrained.doubt([image.components[index].table for index in (0, 1)])
    inside = [
        bounds.project(plane, part, doubt=doubt.of(index))
        for plane, part, index in zip(planes, image.components, (0, 1, 1), strict=True)
    ]
    return color.to_pixels(components.to_output(np.stack(inside), image))


def chosen(network: str, loss: str, *, skips: bool) -> Untrained:
    """Return what is fitted: a loss by the program's name, with `+model` or `+regionsN` after it."""
    name, *more = loss.split("+")
    regions = [int(entry.removeprefix("regions")) for entry in more if entry != "model"]
    colors = "model" if "model" in more else "normal"
    return Untrained(network, name, skips=skips, stop="held-out", colors=colors, regions=max(regions, default=1))


def figures(clean: np.ndarray, quality: int, choice: Untrained, steps: int, device: str) -> tuple[list, np.ndarray]:
    """Return a line of the CSV from "plain" on; and every 20 steps the PSNR of the sliding window, and as written."""
    content = compress(clean, quality=quality)
    plain = decode(content)
    with read.as_file(content) as path:
        image = read.read(path).image
        planes = planes_of.planes(image, Region(0, 0, *image.grid))
        tables = np.stack([image.components[index].table for index in (0, 1)]).astype(np.float32)
    start = time.perf_counter()
    model = None
    if choice.colors == "model":
        model = torch.from_numpy(open_network(EngineOptions(device="cpu")).restore(planes, tables))[None].to(device)
    told = untrained.problem(
        torch.from_numpy(planes)[None].to(device), torch.from_numpy(tables).to(device), sampling="4:2:0",
        choice=choice, seed=0, model=model,
    )  # fmt: skip
    judges = {
        rule: untrained.Judge(dataclasses.replace(told, choice=dataclasses.replace(choice, stop=rule)), steps=steps)
        for rule in RULES
    }
    over: set[str] = set()
    curve, best = [], (0.0, 0.0, 0)
    score = METRICS["psnr"]
    for step, result in enumerate(untrained.descend(told, steps=steps, seed=0), 1):
        for rule, judge in judges.items():
            if rule not in over and judge.add(result):
                over.add(rule)
        window = next((judge.window for rule, judge in judges.items() if rule not in over), None)
        if window is None:
            break
        if step % EVERY == 0:
            seen = pixels(window)
            found = score(seen, clean)
            curve.append((found, score(kept(window, image), clean)))
            if found > best[0]:
                best = (found, METRICS["ms-ssim"](seen, clean), step)
    written = {rule: kept(judge.picture, image) for rule, judge in judges.items()}
    stops = [x for rule, judge in judges.items() for x in (score(written[rule], clean), judge.chosen)]
    plains = [METRICS[name](plain, clean) for name in ("psnr", "ms-ssim")]
    seconds, similar = time.perf_counter() - start, METRICS["ms-ssim"](written["held-out"], clean)
    following = np.array(curve)
    return [*plains, *best, following[:, 1].max(), following[-1, 1], *stops, seconds, similar], following


def table(rows: list[dict[str, str]]) -> None:
    """Print means over the pictures."""
    print("| network | q | loss | pictures | JPEG | at its best | as written | held-out stop | regret "
          "| variance stop | regret | worst of held-out over JPEG | s | report |")  # fmt: skip
    print("|---|" + "---|" * 13)
    for key in dict.fromkeys((row["network"], int(row["quality"]), row["loss"]) for row in rows):
        network, quality, loss = key
        mine = [row for row in rows if (row["network"], int(row["quality"]), row["loss"]) == key]
        of = {name: np.array([float(row[name] or "nan") for row in mine]) for name in FIELDS[_KEY:]}
        best = np.maximum(of["kept"], np.maximum(of["held-out"], of["variance"]))
        mean = {name: values.mean() for name, values in of.items()}
        name = loss.partition("+")[0].removesuffix("-100").removesuffix("-10")
        report = PUBLISHED.get((network, quality), {}).get(name)
        similar = "" if np.isnan(mean["held-out ms-ssim"]) else f" / {mean['held-out ms-ssim']:.3f}"
        print(
            f"| {network} | {quality} | {loss} | {len(mine)} | {mean['plain']:.2f} / {mean['plain ms-ssim']:.3f} "
            f"| {mean['best']:.2f} / {mean['best ms-ssim']:.3f} | {mean['kept']:.2f} | {mean['held-out']:.2f}{similar} "
            f"| {(best - of['held-out']).mean():.2f} | {mean['variance']:.2f} | {(best - of['variance']).mean():.2f} "
            f"| {(of['held-out'] - of['plain']).min():+.2f} | {mean['seconds']:.0f} "
            f"| {f'{report[0]:.2f} / {report[1]:.3f}' if report else ''} |"
        )


def plot(curves: dict[tuple[str, str], tuple[np.ndarray, dict[str, str]]], path: Path) -> None:
    """Draw what fits gain over the JPEG over their steps, with the stopping points; a panel for each quality."""
    import matplotlib as mpl
    from matplotlib import pyplot

    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    qualities = list(dict.fromkeys(quality for quality, _ in curves))
    figure, panels = pyplot.subplots(1, len(qualities), figsize=(7.2, 3.8), dpi=120, sharey=True, squeeze=False)
    for (quality, name), (found, line) in curves.items():
        axes, plain = panels[0][qualities.index(quality)], float(line["plain"])
        steps = EVERY * np.arange(1, len(found) + 1)
        (drawn,) = axes.plot(steps, found[:, 1] - plain, label=name, linewidth=1.4)
        axes.plot(steps, found[:, 0] - plain, ":", color=drawn.get_color(), linewidth=1)
        for rule, mark in zip(RULES, "os", strict=True):
            axes.plot(float(line[f"{rule} step"]), float(line[rule]) - plain, mark, color=drawn.get_color())
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set(xlabel="steps", title=f"quality {quality}")
    first = panels[0][0]
    for style, label in ((":", "the window itself"), ("o", "stop: held-out"), ("s", "stop: variance")):
        first.plot([], [], style, color="gray", label=label)
    first.set(ylabel="gain over the JPEG, dB", ylim=(-3, None))
    figure.legend(*first.get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=5)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    figure.savefig(path)


def main() -> None:
    """Fit, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--networks", default="low,medium")
    parser.add_argument("--losses", default="mse,interval")
    parser.add_argument("--qualities", default="10,25")
    parser.add_argument("--crop", type=int)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--only", type=int, help="so many pictures")
    parser.add_argument("--no-skips", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("untrained.csv"))
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    rows = list(csv.DictReader(options.out.open())) if options.out.exists() else []
    done = {tuple(row[name] for name in FIELDS[:_KEY]) for row in rows}
    losses = [loss for word in options.losses.split(",") for loss in (TEN_LOSSES if word == "ten" else (word,))]
    curves: dict[tuple[str, str], tuple[np.ndarray, dict[str, str]]] = {}
    with options.out.open("a", newline="") as file:
        writer = csv.writer(file)
        if not rows:
            writer.writerow(FIELDS)
        for path in pictures(options.folder)[: options.only]:
            for quality in options.qualities.split(","):
                for network in options.networks.split(","):
                    for loss in losses:
                        key = (path.name, network, loss, quality, str(options.crop or "whole"), str(options.steps))
                        if key in done:
                            continue
                        choice = chosen(network, loss, skips=not options.no_skips)
                        clean = middle(read_rgb(path), options.crop)
                        line, curve = figures(clean, int(quality), choice, options.steps, options.device)
                        row = (*key, *(f"{value:.4f}" for value in line))
                        curves.setdefault((quality, f"{network}, {loss}"), (curve, dict(zip(FIELDS, row, strict=True))))
                        writer.writerow(row)
                        file.flush()
    mine = {"crop": str(options.crop or "whole"), "steps": str(options.steps)}
    rows = [row for row in csv.DictReader(options.out.open()) if row.items() >= mine.items()]
    table(rows)
    if options.plot and curves:
        plot(curves, options.plot)


if __name__ == "__main__":
    main()
