"""The picture of failures in weights/default.md: what no file tells, and what the network takes for what it is not.

    python benchmarks/failures.py docs/images/failures.png [--model default]

One row each, enlarged: the clean photo, the file as any viewer shows it, the restored one. Grass at quality 10, whose
blades stay lost; a cup at quality 3, whose colors do; a motorcycle reduced to 70 % after quality 15 and saved at 95,
whose blocks lie on no grid any more and pass for picture. Prints each row's gain in PSNR. Photos of scikit-image's,
which it needs.
"""

from __future__ import annotations

import argparse
import io
from dataclasses import dataclass

import numpy as np
import skimage.data
from PIL import Image

from jpegfilter import weights
from jpegfilter.engines.network import EngineOptions
from jpegfilter.metrics import METRICS
from jpegfilter.pipeline.restorer import Restorer

SHOWN = (160, 110)
"""Width and height of what is shown of a photo."""
ENLARGED = 2
GAP = 6


@dataclass(frozen=True)
class Failure:
    """One row.

    Attributes:
        photo: a name in `skimage.data`.
        at: left and top of what is shown.
        quality: of the file, or of the one before the reduction.
        reduced: factor of a reduction after it; the result is saved at quality 95.
    """

    photo: str
    at: tuple[int, int]
    quality: int
    reduced: float = 1.0


ROWS = (
    Failure("grass", (200, 200), 10),
    Failure("coffee", (120, 60), 3),
    Failure("stereo_motorcycle", (150, 130), 15, 0.7),
)


def saved(image: Image.Image, quality: int) -> bytes:
    """Return the image as a JPEG with 4:2:0."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return file.getvalue()


def made(row: Failure) -> tuple[Image.Image, bytes]:
    """Return a row's clean photo and its file."""
    found = getattr(skimage.data, row.photo)()
    pixels = found[0] if isinstance(found, tuple) else found
    clean = Image.fromarray(np.asarray(pixels)).convert("RGB")
    content = saved(clean, row.quality)
    if row.reduced == 1.0:
        return clean, content
    size = (round(clean.width * row.reduced), round(clean.height * row.reduced))
    small = Image.open(io.BytesIO(content)).resize(size, Image.Resampling.LANCZOS)
    return clean.resize(size, Image.Resampling.LANCZOS), saved(small, 95)


def main() -> None:
    """Write the picture and print the gains."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--model", default=weights.DEFAULT)
    options = parser.parse_args()
    restorer = Restorer(EngineOptions(model=options.model))
    width, height = (side * ENLARGED for side in SHOWN)
    sheet = Image.new("RGB", (3 * width + 2 * GAP, len(ROWS) * (height + GAP) - GAP), "white")
    for line, row in enumerate(ROWS):
        clean, content = made(row)
        shown = [clean, Image.open(io.BytesIO(content)).convert("RGB"), restorer.restore(content).convert("RGB")]
        before, after = (METRICS["psnr"](np.asarray(image), np.asarray(clean)) for image in shown[1:])
        print(f"{row.photo}: {before:.2f} dB, {after - before:+.2f}")
        for column, image in enumerate(shown):
            left, top = row.at
            part = image.crop((left, top, left + SHOWN[0], top + SHOWN[1]))
            enlarged = part.resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(enlarged, (column * (width + GAP), line * (height + GAP)))
    sheet.save(options.out, optimize=True)


if __name__ == "__main__":
    main()
