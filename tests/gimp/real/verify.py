"""Judges what `matrix.py` dumped in GIMP against what the program makes of the same files: `verify.py FOLDER`.

Prints a line for every case and ends with status 1 if one failed.
"""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from jpegfilter import Restorer
from jpegfilter.engines.network import EngineOptions
from jpegfilter.pipeline.restoration import RestoreOptions

LEVEL = 1 / 255
FOLDER = Path(sys.argv[1])
RESULTS = json.loads((FOLDER / "results.json").read_text())
VERSION = RESULTS.pop("version")
WHOLE = np.s_[:, :]
INSIDE = np.s_[32 : 32 + 90, 40 : 40 + 100]
"""The hard selection of `matrix.selected`."""
REFUSED = {
    "indexed": "indexed", "locked": "locked", "group": "group", "in-locked-group": "locked", "text": "text layer",
    "link": "linked", "mask-itself": "mask", "two-layers-one-locked": "locked", "clean": "no trace",
    "killed": "as it was", "no-room": "No space left", "no-program": "gimp install", "broken-program": "gimp install",
    "no-launcher": "gimp install", "other-version": "gimp install",
}  # fmt: skip
"""Cases that leave the layer as it is, and what the message has in it."""


PIXELS = ("cropped", "file-gone", "file-damaged", "from-xcf", "rgb-u8-linear", "gray-u8-linear")
"""Cases whose layer is not the file's picture any more: eight linear bits have few dark levels."""


def samples(name, case):
    """Return dumped samples `(H, W, C)` with opacity, 0..1."""
    flat = np.frombuffer((FOLDER / name).read_bytes(), "<f4")
    return flat.reshape(case["height"], case["width"], -1)


def by_program(name, *, model="default", **options):
    """Return what the program makes of a file, 0..1."""
    image = np.asarray(Restorer(EngineOptions(model=model), RestoreOptions(**options)).restore(FOLDER / name))
    return np.atleast_3d(image) / np.float32(255)


def psnr(one, other):
    return -10 * np.log10(np.square(one - other).mean())


def expect(truth, what):
    if not truth:
        raise AssertionError(what)


def refused(name, case, before, after):
    expect(not case["done"], "refused")
    expect(REFUSED[name] in case["said"], f"said {REFUSED[name]!r}")
    expect(np.array_equal(before, after), "unchanged")


def of_file(name, case, after, *, place=WHOLE, **options):
    """The layer is what the program makes of the file."""
    source = "gray.jpg" if after.shape[2] == 2 else "rgb.jpg"
    difference = np.abs(after[..., :-1] - by_program(source, **options))[place].max()
    expect(difference <= LEVEL + 1e-6, f"equal to the program's within a level: {difference * 255:.3f}")


def of_pixels(case, before, after):
    """The layer is changed and nearer to the clean picture."""
    source = Image.open(FOLDER / "source.png")
    clean = np.atleast_3d(np.asarray(source if after.shape[2] == 4 else source.convert("L"))) / np.float32(255)
    if clean.shape[:2] != after.shape[:2]:
        clean = clean[5 : 5 + after.shape[0], 3 : 3 + after.shape[1]]
    gain = psnr(after[..., :-1], clean) - psnr(before[..., :-1], clean)
    expect(gain > 0.5, f"a gain of half a decibel: {gain:+.2f}")


def judge(name, case):
    """Raise `AssertionError` where a case is not as it should be."""
    before, after = (samples(f"{name}.{when}", case) for when in ("before", "after"))
    if name in REFUSED:
        refused(name, case, before, after)
        return
    expect(case["done"], f"done: {case['said']}")
    expect(np.array_equal(before[..., -1], after[..., -1]), "opacity as it was")
    if name in PIXELS:
        of_pixels(case, before, after)
    elif name == "painted":
        inner = np.s_[48:96, 48:96]
        expect(np.abs(after - before)[inner].max() < 8 * LEVEL, "the painted square as it was")
        expect(np.abs(after - before)[120:].max() > 8 * LEVEL, "the rest restored")
    elif name == "brightened":
        expect(np.abs(after - before).max() > 0, "changed")
        expect(abs((after - before)[..., :-1].mean()) < 0.2 * LEVEL, "as bright as it was made")
    elif name == "selected":
        of_file(name, case, after, place=INSIDE)
        outside = np.ones(after.shape[:2], bool)
        outside[INSIDE] = False
        expect(np.array_equal(after[outside], before[outside]), "the rest as it was")
    elif name == "feathered":
        of_file(name, case, after, place=np.s_[98:102, 108:112])
        expect(np.array_equal(after[:20, :20], before[:20, :20]), "the rest as it was")
        share = (
            np.abs(after - before)[60:140, 40:180].mean()
            / np.abs(by_program("rgb.jpg") - before[..., :-1])[60:140, 40:180].mean()
        )
        expect(0.3 < share < 0.9, f"blended at the edge: {share:.2f}")
    elif name == "masked":
        of_file(name, case, after)
        expect(not samples("masked-mask.after", case)[..., 0].any(), "the mask as it was")
    elif name == "half-strength":
        of_file(name, case, after, strength=0.5)
    elif name == "grain":
        of_file(name, case, after, grain=1.0)
    elif name == "other-model":
        of_file(name, case, after, model="fast-arcnn")
    elif name == "clean-forced":
        expect(np.abs(after - before).max() > 4 * LEVEL, "changed")
    else:
        of_file(name, case, after)


def main():
    """Judge all cases."""
    failed = 0
    for name, case in RESULTS.items():
        try:
            judge(name, case)
            verdict = "passed"
        except AssertionError as error:
            failed += 1
            verdict = f"FAILED: wanted {error}"
        print(f"{name:24} {case['encoding'][:14]:15} {case['seconds']:5.2f} s  {verdict}")
    print(f"GIMP {VERSION}: {len(RESULTS) - failed} of {len(RESULTS)} passed")
    sys.exit(failed > 0)


main()
