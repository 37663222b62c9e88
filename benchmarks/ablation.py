"""Proof that a network uses the tables it is told: its gain when told the file's, another quality's, and the mean ones.

    python benchmarks/ablation.py FOLDER [--model qgac] [--qualities 10,20,30,50] [--only N]

FOLDER holds clean pictures, which Pillow's encoder compresses at 4:2:0. "Wrong" are the IJG's tables of quality 90 for
files of up to 50 and of quality 10 for finer ones; "mean" are the means of the IJG's steps over the qualities 1 to 100.
Only what the network is told changes: projection, trust and grid are those of the file's own tables in all columns.
PSNR over RGB, averaged over pictures; gains over Pillow's decode.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jpegfilter import weights
from jpegfilter.codec import read
from jpegfilter.codec.clean import compress, decode, pictures, read_rgb
from jpegfilter.engines.contract import Engine
from jpegfilter.engines.network import EngineOptions, open_network
from jpegfilter.jpeg.tables import CHROMA, LUMA, ijg_table
from jpegfilter.jpeg.types import Floats, Table
from jpegfilter.metrics import METRICS
from jpegfilter.pipeline.restoration import RestoreOptions, restore_jpeg

FINE, COARSE = 90, 10
"""Qualities whose tables are told of coarse files, and of fine ones."""
BETWEEN = 50
"""Best quality of a coarse file."""


class Misled:
    """An engine that is told `tables` whatever the file's are, and is else the one it stands for."""

    def __init__(self, engine: Engine, tables: Sequence[Table]) -> None:
        self.halo, self.multiple, self.description = engine.halo, engine.multiple, engine.description
        self.doubt = engine.doubt
        self._engine, self._tables = engine, tables

    def restore(self, planes: Floats, tables: Sequence[Table]) -> Floats:
        """Return the restored planes; `tables` are ignored."""
        return self._engine.restore(planes, self._tables)


def of(quality: int) -> tuple[Table, Table]:
    """Return the IJG's tables of a quality."""
    return ijg_table(LUMA, quality), ijg_table(CHROMA, quality)


def mean() -> tuple[Table, Table]:
    """Return the mean of the IJG's tables over all qualities, rounded to whole steps."""
    luma, chroma = np.rint(np.mean([of(quality) for quality in range(1, 101)], axis=0)).astype(np.uint16)
    return luma, chroma


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=weights.DEFAULT)
    parser.add_argument("--qualities", default="10,20,30,50")
    parser.add_argument("--only", type=int, help="the first so many pictures")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    engine = open_network(EngineOptions(model=options.model, threads=options.threads))
    # The file's own tables are what is projected onto and trusted; no past is looked for.
    own = RestoreOptions(quality="header")
    psnr = METRICS["psnr"]
    print("| quality | JPEG | right | wrong | told | mean |\n|---|---|---|---|---|---|")
    for quality in (int(text) for text in options.qualities.split(",")):
        other = FINE if quality <= BETWEEN else COARSE
        engines = (engine, Misled(engine, of(other)), Misled(engine, mean()))
        rows = []
        for path in pictures(options.folder)[: options.only]:
            clean = read_rgb(path)
            content = compress(clean, quality=quality)
            row = [psnr(decode(content), clean)]
            for each in engines:
                with read.as_file(content) as file:
                    canvas = restore_jpeg(read.read(file), each, own)
                row.append(psnr(np.asarray(canvas.image()), clean))
            rows.append(row)
        before, *after = np.mean(rows, axis=0)
        right, wrong, between = (f"{value:.2f} ({value - before:+.2f})" for value in after)
        print(f"| {quality} | {before:.2f} | {right} | {wrong} | q{other} | {between} |", flush=True)


if __name__ == "__main__":
    main()
