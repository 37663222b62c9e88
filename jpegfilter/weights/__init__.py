"""The catalogue of the weights that ship: names, files and cards."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from jpegfilter.errors import WeightsError
from jpegfilter.weights.card import Card, load, sha256

__all__ = ["DEFAULT", "Card", "directory", "find", "names", "onnx_bytes"]

DEFAULT = "default"
"""The model that runs where none is named."""


def directory() -> Path:
    """Return the folder of the weight files: inside the package as installed, beside it in a checkout."""
    packaged = Path(__file__).parent / "files"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "weights"


def names() -> list[str]:
    """Return the names of the weights that ship, the default first."""
    found = sorted(path.stem for path in directory().glob("*.json"))
    return sorted(found, key=lambda name: name != DEFAULT)


@lru_cache
def find(name: str) -> Card:
    """Return the card of a model.

    Raises:
        WeightsError: no such model.
    """
    if name not in names():
        raise WeightsError("a known model", repr(name), f"choose among: {', '.join(names())}")
    return load(directory() / f"{name}.json")


def onnx_bytes(chosen: Card, kind: str = "whole") -> bytes:
    """Return one of a model's ONNX files, checked against its card.

    Args:
        chosen: the model's card.
        kind: a name from `Card.files`.

    Raises:
        WeightsError: missing, or not the file the card describes.
    """
    name, digest = chosen.files[kind]
    path = directory() / name
    if not path.is_file():
        raise WeightsError(f"the weights {path.name}", f"no such file in {directory()}", "install jpegfilter again")
    found = sha256(path)
    if found != digest:
        raise WeightsError(f"{path.name} with SHA-256 {digest}", found, "install jpegfilter again")
    return path.read_bytes()
