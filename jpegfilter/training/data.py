"""Clean training images in memory, and the draws that cut patches from them."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from jpegfilter.codec.clean import pictures, read_rgb
from jpegfilter.compression.libjpeg import Step
from jpegfilter.errors import UsageError
from jpegfilter.jpeg import tables
from jpegfilter.training.degradation import Past
from jpegfilter.training.recipe import Recipe

_TABLES: NDArray[np.int64] = np.stack(
    [[tables.ijg_table(base, q).reshape(64) for q in range(1, 101)] for base in (tables.LUMA, tables.CHROMA)]
).astype(np.int64)


_DISTANCE = (np.add.outer(np.arange(8), np.arange(8)) / 14).reshape(64)
"""How high a frequency is, 0..1."""
_LATER = 85
"""Highest quality of a first compression that left traces worth removing."""
_SHIFTED = 0.7
"""Share of second compressions whose grid is not the first's."""
_FOUND = 0.75
"""Share of second compressions whose first was found: the network is shown its grid and tables."""


@dataclass(frozen=True, slots=True)
class Photos:
    """Decoded images and how often each is drawn.

    Attributes:
        images: 8-bit `(H, W, 3)` tensors.
        weights: probabilities, summing to 1.
        manifest: sha256 over the names and sizes of the files, for the checkpoint.
        sets: source set of each image, where one is known: a phase of a recipe may weigh them anew.
    """

    images: tuple[Tensor, ...]
    weights: NDArray[np.float64]
    manifest: str
    sets: tuple[str, ...] = ()

    def shares(self, set_weights: dict[str, float]) -> NDArray[np.float64]:
        """Return the probabilities under other weights of the sets; without sets, those that it has."""
        if not self.sets:
            return self.weights
        weights = np.array([set_weights.get(name, 1.0) for name in self.sets])
        shares: NDArray[np.float64] = weights / weights.sum()
        return shares


@dataclass(frozen=True, slots=True)
class Patches:
    """A batch of clean patches and how each shall be compressed.

    Attributes:
        rgb: 8-bit `(N, 3, S, S)`, S the recipe's patch, or more where a past cuts something off.
        last: the compression the header tells of.
        past: what befell the batch before, if anything.
    """

    rgb: Tensor
    last: Step
    past: Past | None


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
    images, names, manifest = [], [], hashlib.sha256()
    for path in paths:
        pixels = read_rgb(path)
        if min(pixels.shape[:2]) < recipe.patch:
            continue
        images.append(torch.from_numpy(pixels))
        names.append(sets.get(path.name, ""))
        manifest.update(f"{path.name} {path.stat().st_size}\n".encode())
    if not images:
        raise UsageError("a folder of lossless images", f"none of use in {folder}", "name another folder")
    unweighted = np.full(len(images), 1 / len(images))
    photos = Photos(tuple(images), unweighted, manifest.hexdigest(), tuple(names))
    return dataclasses.replace(photos, weights=photos.shares(recipe.set_weights))


def _grained(rgb: Tensor, largest: float, random: np.random.Generator) -> Tensor:
    """Return 8-bit RGB `(3, H, W)` with noise as films and sensors have it: mostly of the luma, of any strength."""
    luma, color = random.uniform(0, largest) * np.array([1, random.uniform(0, 0.7)])
    noise = luma * random.standard_normal((1, *rgb.shape[1:]), np.float32)
    noise = noise + color * random.standard_normal(rgb.shape, np.float32)
    return (rgb + torch.from_numpy(noise.astype(np.float32))).round().clamp(0, 255).to(torch.uint8)


def _cut(image: Tensor, patch: int, recipe: Recipe, random: np.random.Generator) -> Tensor:
    """Return one square `(3, patch, patch)`: rescaled, cropped, turned and mirrored at random."""
    whole = min(image.shape[:2])
    if whole < patch:  # a small picture and a large cut-off: its mirror image continues it
        more = patch - whole
        image = torch.from_numpy(np.pad(image.numpy(), ((0, more), (0, more), (0, 0)), mode="symmetric"))
    side = patch
    if random.random() < recipe.rescale_share:
        side = round(side / random.uniform(recipe.rescale, 1.0))
        side = min(side, image.shape[0], image.shape[1])
    top = int(random.integers(image.shape[0] - side + 1))
    left = int(random.integers(image.shape[1] - side + 1))
    cut = image[top : top + side, left : left + side].permute(2, 0, 1)
    if side != patch:
        scaled = functional.interpolate(cut[None].float(), size=(patch, patch), mode="bicubic", antialias=True)[0]
        cut = scaled.round().clamp(0, 255).to(torch.uint8)
    if recipe.grain_share and random.random() < recipe.grain_share:
        cut = _grained(cut, recipe.grain, random)
    turns, mirrored = int(random.integers(4)), bool(random.integers(2))
    cut = torch.rot90(cut, turns, (1, 2))
    return cut.flip(2) if mirrored else cut


def _name(shares: dict[str, float], random: np.random.Generator) -> str:
    share = np.asarray(list(shares.values()), dtype=np.float64)
    return list(shares)[int(random.choice(len(share), p=share / share.sum()))]


def _other(luma: NDArray[np.float64], chroma: NDArray[np.float64], random: np.random.Generator) -> None:
    """Make one patch's tables, `(64,)`, those of no IJG quality: flatter or steeper, or luma's for chroma too."""
    tilt, stronger = random.uniform(-1.2, 0.5), random.uniform(-0.4, 0.4)
    contrast = random.uniform(0, 1.2)  # at 0 all frequencies have the same step
    chroma *= np.exp(stronger)
    for table in (luma, chroma):
        mean = np.log(table).mean()
        steps = mean + contrast * (np.log(table) - mean) + tilt * (_DISTANCE - 0.25)
        noise = random.normal(0, random.uniform(0, 0.15), 64)
        np.clip(np.rint(np.exp(steps + noise)), 1, 255, out=table)
    if random.random() < 0.3:
        chroma[:] = luma


def _step(quality: NDArray[np.int64], recipe: Recipe, random: np.random.Generator) -> Step:
    """Return a compression at these qualities, `(N,)`, in a subsampling drawn for all."""
    luma, chroma = (_TABLES[i][quality - 1].astype(np.float64) for i in (0, 1))
    for index in np.flatnonzero(random.random(len(quality)) < recipe.other_tables):
        _other(luma[index], chroma[index], random)
    luma_steps, chroma_steps = (torch.from_numpy(table.astype(np.int64)) for table in (luma, chroma))
    return Step(luma_steps, chroma_steps, _name(recipe.samplings, random))


def _qualities(recipe: Recipe, random: np.random.Generator) -> NDArray[np.int64]:
    quality = random.integers(recipe.quality[0], recipe.quality[1] + 1, recipe.batch)
    low = random.integers(recipe.low_quality[0], recipe.low_quality[1] + 1, recipe.batch)
    return np.where(random.random(recipe.batch) < recipe.low_quality_share, low, quality)


def _past(kind: str, recipe: Recipe, random: np.random.Generator) -> tuple[Step, Past | None, int]:
    """Return the last compression, what befell the batch before, and the side of what must be cut for it."""
    quality = _qualities(recipe, random)
    if kind == "none":
        return _step(quality, recipe, random), None, recipe.patch
    first = np.minimum(quality, _LATER)
    last = random.integers(first + 1, _LATER + 12)
    offset = (0, 0)
    if random.random() < _SHIFTED:
        offset = (int(random.integers(16)), int(random.integers(16)))
    found = kind == "pixels" or (kind == "twice" and random.random() < _FOUND)
    side = recipe.patch + (96 if kind == "resized" else 64)
    size = int(random.integers(recipe.patch + 16, side + 1)) if kind == "resized" else None
    steps = [_step(first, recipe, random), _step(last, recipe, random)]
    if any(step.sampling == "gray" for step in steps):  # a picture is gray in all its files
        steps = [dataclasses.replace(step, sampling="gray") for step in steps]
    return steps[1], Past(steps[0], kind != "pixels", offset, size, found), side


def draw(photos: Photos, recipe: Recipe, *, step: int) -> Patches:
    """Return the batch of step `step`: the same for the same recipe and step, whatever came before."""
    random = np.random.default_rng((recipe.seed, step))
    chosen = random.choice(len(photos.images), size=recipe.batch, p=photos.shares(recipe.set_weights))
    last, past, side = _past(_name(recipe.pasts or {"none": 1.0}, random), recipe, random)
    rgb = torch.stack([_cut(photos.images[i], side, recipe, random) for i in chosen])
    return Patches(rgb, last, past)
