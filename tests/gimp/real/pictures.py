"""Writes the pictures that `matrix.py` opens, and installs the plug-in for a GIMP in a chroot: `pictures.py FOLDER`."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from jpegfilter.gimp import installation

COPIES = {"rgb": 50, "gray": 15}
"""Files to open: each case takes its own, since only what GIMP itself opened has a file."""


def main():
    """Write everything."""
    folder = Path(sys.argv[1])
    pictures = folder / "pictures"
    pictures.mkdir()
    photo = skimage.data.astronaut()
    clean = Image.fromarray(photo[:200, 100:356])
    clean.save(pictures / "source.png")
    clean.save(pictures / "clean-00.png")
    clean.save(pictures / "clean-01.png")
    clean.save(pictures / "rgb.jpg", quality=10)
    clean.convert("L").save(pictures / "gray.jpg", quality=10)
    for name, count in COPIES.items():
        for number in range(count):
            shutil.copy(pictures / f"{name}.jpg", pictures / f"{name}-{number:02}.jpg")
    Image.fromarray(np.tile(photo, (5, 5, 1))).save(pictures / "large-00.jpg", quality=30)
    path = installation.install(folder / "configuration" / "plug-ins")
    launcher = path.with_name("launcher.json")
    values = json.loads(launcher.read_text())
    # The program's Python and libraries are the host's, which the chroot sees below /host.
    values["argv"] = ["chroot", "/host", *values["argv"]]
    launcher.write_text(json.dumps(values))


main()
