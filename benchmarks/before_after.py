"""The before/after picture of README.md: a photo of scikit-image's, compressed, and what the program makes of it.

    python benchmarks/before_after.py docs/images/before-after.png [--quality 10]

Left the JPEG as any viewer shows it, right the output of `jpegfilter`, both at 100 %. Needs scikit-image.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import skimage.data
from PIL import Image

CROP = (60, 20, 440, 300)
"""Part of the picture that is shown: left, top, right, bottom."""
GAP = 6


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--quality", type=int, default=10)
    parser.add_argument("--photo", default="coffee")
    options = parser.parse_args()
    photo = Image.fromarray(getattr(skimage.data, options.photo)()[..., :3])
    with tempfile.TemporaryDirectory() as folder:
        jpeg, restored = Path(folder, "in.jpg"), Path(folder, "out.png")
        photo.save(jpeg, quality=options.quality)
        subprocess.run([sys.executable, "-m", "jpegfilter", str(jpeg), str(restored)], check=True)
        pair = [Image.open(path).convert("RGB").crop(CROP) for path in (jpeg, restored)]
    width, height = pair[0].size
    out = Image.new("RGB", (2 * width + GAP, height), "white")
    for index, image in enumerate(pair):
        out.paste(image, (index * (width + GAP), 0))
    out.save(options.out, optimize=True)


if __name__ == "__main__":
    main()
