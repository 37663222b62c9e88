"""A weight file's card: what an engine must know to run it, and what a person wants to know before."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jpegfilter.errors import WeightsError
from jpegfilter.jpeg.bounds import CAUGHT, Doubt


@dataclass(frozen=True, slots=True)
class Card:
    """The machine-readable half of a model card, `<name>.json` beside `<name>.onnx`.

    Attributes:
        name: as on the command line.
        summary: one line for people.
        file: name of the ONNX file.
        sha256: of the ONNX file.
        inputs: what the network reads, in order: "planes", and "tables" for those that are conditioned on them.
        range: unit of samples in and out.
        halo: samples around a tile; what lies farther off changes nothing of it that an 8-bit picture can show.
        multiple: height and width must be multiples of this.
        parameters: number of trained numbers.
        macs: multiply-adds for one pixel.
        speed: "fast", "medium" or "slow".
        recipe: the training recipe as values.
        origin: commit, data and versions of the training.
        data: what it was trained on, with licences.
        doubt: standard deviation of the network's error in each coefficient of luma, then of chroma, 128 numbers in
            8-bit steps, or nothing (see `jpeg.bounds.trust`).
        caught: how heavily a block is doubted for estimates caught outside their intervals.
        scores: PSNR by test set and quality: `{"LIVE1 4:2:0": {"10": [plain, restored]}}`.
        views: mirror images of a picture whose results are averaged, 1 to 8 (see `engines.views`).
        half: SHA-256 of the same network in float16, for GPUs; empty where there is none.
        filters: SHA-256 of the file that makes the network's filters of tables, and of which the network's own file
            takes them; empty where the network reads tables itself, or none.
    """

    name: str
    summary: str
    file: str
    sha256: str
    inputs: tuple[str, ...]
    range: str
    halo: int
    multiple: int
    parameters: int
    macs: int
    speed: str
    recipe: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    data: str = ""
    scores: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    doubt: tuple[float, ...] = ()
    caught: float = CAUGHT
    views: int = 1
    half: str = ""
    filters: str = ""

    @property
    def doubts(self) -> Doubt | None:
        """`doubt` and `caught` as the projection takes them; None where nobody measured them."""
        return Doubt(np.array(self.doubt, np.float32).reshape(2, 8, 8), self.caught) if self.doubt else None

    @property
    def files(self) -> dict[str, tuple[str, str]]:
        """Name and SHA-256 of each of the ONNX files: "whole", and "half" and "filters" where there are such."""
        stem = self.file.removesuffix(".onnx")
        kinds = {"whole": (self.file, self.sha256)}
        kinds |= {"half": (f"{stem}.half.onnx", self.half)} if self.half else {}
        return kinds | ({"filters": (f"{stem}.filters.onnx", self.filters)} if self.filters else {})

    def to_json(self) -> str:
        """Return the card as the text of its file."""
        return json.dumps(asdict(self), indent=2) + "\n"


def load(path: Path) -> Card:
    """Read a card.

    Raises:
        WeightsError: missing or malformed.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        values["inputs"] = tuple(values["inputs"])
        return Card(**values)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"a model card in {path}", str(error), "install jpegfilter again") from error


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
