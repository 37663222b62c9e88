"""Whether a model harms: what it does to fine JPEGs, clean pictures, flat areas, and files compressed twice.

    python benchmarks/manners.py FOLDER [--model NAME] [--checks harm,clean,flat,twice]

FOLDER holds clean pictures in lossless files. For each check a table on standard output:

    harm   gain in PSNR over the plain JPEG at qualities 90, 95 and 100, 4:2:0: the mean and the worst picture
    clean  PSNR between a picture that was never compressed and what becomes of it
    flat   largest difference of a flat area's mean color, in 8-bit steps, before and after, at qualities 30, 50 and 75;
           an area is a connected set of at least 256 samples of one color in the clean picture, without its outermost
           four samples
    twice  gain over the file as it is: quality 10, cropped by (3, 5), then quality 90; and quality 30, then 80

Needs scipy.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from jpegfilter.codec.clean import compress, decode, pictures, read_rgb
from jpegfilter.engines.network import EngineOptions
from jpegfilter.metrics import METRICS
from jpegfilter.pipeline.restorer import Restorer
from jpegfilter.weights import DEFAULT

RGB = NDArray[np.uint8]
LEAST_AREA = 256
BORDER = 4


def gain(content: bytes, clean: RGB, restorer: Restorer) -> float:
    """Return how many dB a file's restored picture is nearer to the clean one than its plain decode."""
    psnr = METRICS["psnr"]
    return psnr(np.asarray(restorer.restore(content)), clean) - psnr(decode(content), clean)


def harm(images: list[RGB], restorer: Restorer) -> Iterator[str]:
    """Yield the rows of the check."""
    yield "| q | mean gain | worst |\n|---|---|---|"
    for quality in (90, 95, 100):
        gains = [gain(compress(clean, quality=quality), clean, restorer) for clean in images]
        yield f"| {quality} | {np.mean(gains):+.2f} | {min(gains):+.2f} |"


def clean_pictures(images: list[RGB], restorer: Restorer) -> Iterator[str]:
    """Yield the rows of the check."""
    yield "| pictures | changed | smallest PSNR to the input |\n|---|---|---|"
    found = []
    for clean in images:
        file = io.BytesIO()
        Image.fromarray(clean).save(file, "PNG")
        found.append(METRICS["psnr"](np.asarray(restorer.restore(file.getvalue())), clean))
    yield f"| {len(found)} | {sum(np.isfinite(found))} | {min(found):.1f} |"


def areas(clean: RGB) -> Iterator[tuple[tuple[slice, slice], NDArray[np.bool_]]]:
    """Yield the flat areas of a picture, without their borders: a rectangle, and what of it is the area."""
    color = clean.astype(np.int64) @ np.array([1, 256, 65536])
    edge = np.zeros(color.shape, bool)
    edge[:, 1:] |= color[:, 1:] != color[:, :-1]
    edge[1:] |= color[1:] != color[:-1]
    inner = ndimage.binary_erosion(~edge, iterations=BORDER)
    labels, _ = ndimage.label(inner)
    for label, place in enumerate(ndimage.find_objects(labels), 1):
        area = labels[place] == label
        if area.sum() >= LEAST_AREA:
            yield place, area


def flat(images: list[RGB], restorer: Restorer) -> Iterator[str]:
    """Yield the rows of the check."""
    yield "| q | areas | mean shift, JPEG | mean shift | largest, JPEG | largest |\n|---|---|---|---|---|---|"
    flats = [list(areas(clean)) for clean in images]
    for quality in (30, 50, 75):
        before, after = [], []
        for clean, found in zip(images, flats, strict=True):
            content = compress(clean, quality=quality)
            plain, restored = decode(content), np.asarray(restorer.restore(content))
            for place, area in found:
                for shifts, seen in ((before, plain), (after, restored)):
                    shifts.append(np.abs(seen[place][area].mean(0) - clean[place][area].mean(0)).max())
        if before:
            means = f"{np.mean(before):.2f} | {np.mean(after):.2f}"
            yield f"| {quality} | {len(before)} | {means} | {max(before):.2f} | {max(after):.2f} |"


def twice(images: list[RGB], restorer: Restorer) -> Iterator[str]:
    """Yield the rows of the check."""
    yield "| file | mean gain | worst |\n|---|---|---|"
    for first, top, left, last in ((10, 5, 3, 90), (30, 0, 0, 80)):
        gains = []
        for clean in images:
            seen = np.ascontiguousarray(decode(compress(clean, quality=first))[top:, left:])
            gains.append(gain(compress(seen, quality=last), np.ascontiguousarray(clean[top:, left:]), restorer))
        yield f"| {first}, cropped by ({left}, {top}), {last} | {np.mean(gains):+.2f} | {min(gains):+.2f} |"


CHECKS: dict[str, Callable[[list[RGB], Restorer], Iterator[str]]] = {
    "harm": harm,
    "clean": clean_pictures,
    "flat": flat,
    "twice": twice,
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=DEFAULT)
    parser.add_argument("--checks", default=",".join(CHECKS))
    options = parser.parse_args()
    restorer = Restorer(EngineOptions(model=options.model))
    images = [read_rgb(path) for path in pictures(options.folder)]
    for name in options.checks.split(","):
        print(f"\n{name}, {options.folder.name}, {len(images)} pictures, {options.model}\n")
        for row in CHECKS[name](images, restorer):
            print(row, flush=True)


if __name__ == "__main__":
    main()
