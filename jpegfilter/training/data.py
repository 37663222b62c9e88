"""Clean training images in memory, and the draws that cut patches from them."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from jpegfilter.codec.clean import pictures, read_rgb
from jpegfilter.errors import UsageError
from jpegfilter.jpeg import tables
from jpegfilter.training.recipe import Recipe

_TABLES: NDArray[np.int64] = np.stack(
    [[tables.ijg_table(base, q).reshape(64) for q in range(1, 101)] for base in (tables.LUMA, tables.CHROMA)]
).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Photos:
    """Decoded images and how often each is drawn.

    Attributes:
        images: 8-bit `(H, W, 3)` tensors.
        weights: probabilities, summing to 1.
        manifest: sha256 over the names and sizes of the files, for the checkpoint.
    """

    images: tuple[Tensor, ...]
    weights: NDArray[np.float64]
    manifest: str


@dataclass(frozen=True, slots=True)
class Patches:
    """A batch of clean patches and how each shall be compressed.

    Attributes:
        rgb: 8-bit `(N, 3, H, W)`.
        luma: tables of Y, `(N, 64)`.
        chroma: tables of Cb and Cr, `(N, 64)`.
        sampling: one subsampling for the batch.
    """

    rgb: Tensor
    luma: Tensor
    chroma: Tensor
    sampling: str


def _held_out(name: str, share: float) -> bool:
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) < share * 2**32


def _sets(folder: Path) -> dict[str, str]:
    """Return the source set of each file as `SOURCES.tsv` in the folder names it, or nothing without that file."""
    path = folder / "SOURCES.tsv"
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as lines:
        return {row["file"]: row["set"] for row in csv.DictReader(lines, delimiter="\t")}


def load(folder: Path, recipe: Recipe, *, held_out: bool) -> Photos:
    """Read the lossless images of a folder that are large enough for a patch.

    Args:
        folder: images, and optionally a `SOURCES.tsv` with columns `file` and `set`.
        recipe: gives the patch size, the set weights and the validation share.
        held_out: return the validation images and not the training images.

    Raises:
        UsageError: no such image.
    """
    sets = _sets(folder)
    paths = pictures(folder) if folder.is_dir() else []
    paths = [p for p in paths if _held_out(p.name, recipe.validation_share) == held_out]
    images, weights, manifest = [], [], hashlib.sha256()
    for path in paths:
        pixels = read_rgb(path)
        if min(pixels.shape[:2]) < recipe.patch:
            continue
        images.append(torch.from_numpy(pixels))
        weights.append(recipe.set_weights.get(sets.get(path.name, ""), 1.0))
        manifest.update(f"{path.name} {path.stat().st_size}\n".encode())
    if not images:
        raise UsageError("a folder of lossless images", f"none of use in {folder}", "name another folder")
    share = np.asarray(weights) / np.sum(weights)
    return Photos(tuple(images), share, manifest.hexdigest())


def _cut(image: Tensor, recipe: Recipe, random: np.random.Generator) -> Tensor:
    """Return one patch `(3, P, P)`: rescaled, cropped, turned and mirrored at random."""
    side = recipe.patch
    if random.random() < recipe.rescale_share:
        side = round(side / random.uniform(recipe.rescale, 1.0))
        side = min(side, image.shape[0], image.shape[1])
    top = int(random.integers(image.shape[0] - side + 1))
    left = int(random.integers(image.shape[1] - side + 1))
    patch = image[top : top + side, left : left + side].permute(2, 0, 1)
    if side != recipe.patch:
        size = (recipe.patch, recipe.patch)
        scaled = functional.interpolate(patch[None].float(), size=size, mode="bicubic", antialias=True)[0]
        patch = scaled.round().clamp(0, 255).to(torch.uint8)
    turns, mirrored = int(random.integers(4)), bool(random.integers(2))
    patch = torch.rot90(patch, turns, (1, 2))
    return patch.flip(2) if mirrored else patch


def draw(photos: Photos, recipe: Recipe, *, step: int) -> Patches:
    """Return the batch of step `step`: the same for the same recipe and step, whatever came before."""
    random = np.random.default_rng((recipe.seed, step))
    chosen = random.choice(len(photos.images), size=recipe.batch, p=photos.weights)
    rgb = torch.stack([_cut(photos.images[i], recipe, random) for i in chosen])
    quality = random.integers(recipe.quality[0], recipe.quality[1] + 1, recipe.batch)
    low = random.integers(recipe.low_quality[0], recipe.low_quality[1] + 1, recipe.batch)
    quality = np.where(random.random(recipe.batch) < recipe.low_quality_share, low, quality)
    names, shares = list(recipe.samplings), np.asarray(list(recipe.samplings.values()), dtype=np.float64)
    sampling = names[int(random.choice(len(names), p=shares / shares.sum()))]
    luma, chroma = (torch.from_numpy(_TABLES[i][quality - 1]) for i in (0, 1))
    return Patches(rgb, luma, chroma, sampling)
