"""Seconds a megapixel and peak memory of the whole program, and where the time goes.

    python benchmarks/speed.py PICTURE [--sizes 0.1,1,12] [--runs 5] [--model NAME] [--quality 30] [--tile 768]

PICTURE is any clean photo; it is repeated to make JPEGs (4:2:0) of the sizes, in megapixels. Needs Linux or macOS. Run
it on a quiet machine: the medians over the runs are printed.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from threadpoolctl import threadpool_limits

from jpegfilter.codec import read, write
from jpegfilter.codec.write import WriteOptions
from jpegfilter.engines.network import EngineOptions
from jpegfilter.pipeline.restoration import RestoreOptions, restore_jpeg
from jpegfilter.pipeline.restorer import Restorer

PEAK_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in one unit of `ru_maxrss`."""


def make_jpeg(picture: Path, target: Path, *, megapixels: float, quality: int) -> float:
    """Write a 3:2 JPEG of about `megapixels` made of repetitions of a picture, and return its exact size."""
    tile = Image.open(picture).convert("RGB")
    height = round(math.sqrt(megapixels * 1e6 / 1.5))
    width = round(height * 1.5)
    image = Image.new("RGB", (width, height))
    for top in range(0, height, tile.height):
        for left in range(0, width, tile.width):
            image.paste(tile, (left, top))
    image.save(target, quality=quality, subsampling=2)
    return width * height / 1e6


def run_program(command: list[str]) -> tuple[float, float]:
    """Return the wall seconds and the peak memory in MB of a command."""
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"status {status}: {' '.join(command)}")
    return time.perf_counter() - start, usage.ru_maxrss * PEAK_UNIT / 1e6


class Clock:
    """Adds up the time that calls take, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function`, timed under `name`."""

        def call(*args: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*args, **options)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

        return call


def stages(source: Path, target: Path, restorer: Restorer) -> dict[str, float]:
    """Return the seconds that reading, the network, the rest of restoring, and writing a PNG take."""
    clock = Clock()
    plain = restorer.engine.restore
    restorer.engine.restore = clock.timed("network", plain)  # type: ignore[method-assign]
    file = clock.timed("reading", read.read)(source)
    with threadpool_limits(1, user_api="blas"):  # as the restorer does
        canvas = clock.timed("restoring", restore_jpeg)(file, restorer.engine, restorer.options)
    clock.timed("writing", write.write)(canvas, file.header.metadata, WriteOptions(), target)
    restorer.engine.restore = plain  # type: ignore[method-assign]
    seconds = clock.seconds
    seconds["decoding, projection, color"] = seconds.pop("restoring") - seconds["network"]
    return seconds


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", type=Path)
    parser.add_argument("--sizes", default="0.1,1,12")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--model", default=EngineOptions().model)
    parser.add_argument("--quality", type=int, default=30)
    parser.add_argument("--tile", type=int, default=RestoreOptions().tile)
    options = parser.parse_args()
    restorer = Restorer(EngineOptions(options.model, "cpu"), RestoreOptions(tile=options.tile))
    where = f"{options.model} on {restorer.engine.description}"
    print(f"{where}, quality {options.quality}, 4:2:0, median of {options.runs} runs\n")
    print("| MP | whole program, s | s/MP | peak MB | reading | network | decoding, projection, color | writing |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.jpg"), Path(folder, "out.png")
        command = [sys.executable, "-m", "jpegfilter", str(source), str(target), "--quiet", "-d", "cpu"]
        command += ["-m", options.model, "--tile", str(options.tile)]
        for size in map(float, options.sizes.split(",")):
            exact = make_jpeg(options.picture, source, megapixels=size, quality=options.quality)
            wall, peak = zip(
                *(run_program(command) for _ in range(options.runs)),
                strict=True,
            )
            parts = [stages(source, target, restorer) for _ in range(options.runs)]
            names = ("reading", "network", "decoding, projection, color", "writing")
            each = " | ".join(f"{statistics.median(part[name] for part in parts) / exact:.3f}" for name in names)
            seconds = statistics.median(wall)
            print(f"| {exact:.2f} | {seconds:.2f} | {seconds / exact:.3f} | {statistics.median(peak):.0f} | {each} |")


if __name__ == "__main__":
    main()
