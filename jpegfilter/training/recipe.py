"""A recipe: everything that decides what a training run makes, read from a TOML file and kept in the checkpoint."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jpegfilter.errors import UsageError
from jpegfilter.jpeg.sampling import FACTORS


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of training, counted in patches.

    Attributes:
        rate: learning rate at its beginning.
        patches: its length.
        end: learning rate at its end, reached along half a cosine; None keeps `rate`.
        changes: entries of the recipe that have other values meanwhile, such as "patch".
    """

    rate: float
    patches: int
    end: float | None = None
    changes: dict[str, Any] = field(default_factory=dict)

    def at(self, seen: int) -> float:
        """Return the learning rate after `seen` patches of this phase."""
        if self.end is None:
            return self.rate
        left = (1 + math.cos(math.pi * min(1.0, seen / self.patches))) / 2
        return self.end + (self.rate - self.end) * left


OPTIMIZERS = ("adam", "muon")
LOSSES = ("mse", "l1", "root", "l1-ssim")
PARTS = ("all", "luma", "color")
"""What of a network is trained: for those that restore luma first, one part or the other."""
PASTS = ("none", "pixels", "twice", "resized")
"""What befell a picture: compressed once; kept as pixels after that; compressed again, shifted or not; reduced and
compressed again."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to train, on what, for how long.

    Attributes:
        network: a name from `jpegfilter.networks.NETWORKS`.
        widths: keyword arguments of the network's constructor.
        patch: side of a square training patch in samples, a multiple of 32 (the widest MCU).
        batch: patches a step.
        phases: learning rates in order.
        optimizer: "adam", or "muon" for the matrices inside the network beside Adam for all else.
        matrix_rate: Muon's learning rate where Adam's is 1; its steps are as large as Adam's usual ones.
        matrix_decay: Muon's weight decay, which bounds the matrices' norms: without, they grow until the residual
            blocks blow up.
        loss: a name from `LOSSES`.
        part: a name from `PARTS`; anything but "all" is for networks with `parts`.
        warm_up: steps over which the learning rate rises from 0.
        beta1: Adam's first moment's decay.
        beta2: Adam's second moment's decay.
        average: decay of the moving average of the weights, which is what ships.
        clip: largest norm of a step's gradient; rare batches without it have set a whole run back.
        quality: lowest and highest IJG quality.
        low_quality_share: share of patches whose quality is drawn from `low_quality` and not from `quality`.
        low_quality: lowest and highest quality of that share.
        samplings: relative frequency of each subsampling, among them "gray".
        rescale: smallest factor by which a patch's source is reduced before compression (1: never).
        rescale_share: share of patches so reduced.
        grain: largest standard deviation of the noise that is added to clean patches, in 8-bit steps.
        grain_share: share of patches to which it is added: photos for training are cleaner than those of the world.
        other_tables: share of patches whose tables are no IJG quality's: tilted, or luma's for chroma too.
        pasts: shares of batches by what happened before or after the compression: names from `PASTS`.
        set_weights: how often a source set is drawn relative to its number of images.
        validation_share: share of every source set that is never trained on.
        seed: of weights and of every draw.
    """

    network: str
    patch: int
    batch: int
    phases: tuple[Phase, ...]
    samplings: dict[str, float]
    widths: dict[str, int] = field(default_factory=dict)
    optimizer: str = "adam"
    matrix_rate: float = 3.0
    matrix_decay: float = 1.0
    loss: str = "mse"
    part: str = "all"
    warm_up: int = 0
    beta1: float = 0.8
    beta2: float = 0.999
    average: float = 0.999
    clip: float = 0.01
    quality: tuple[int, int] = (1, 95)
    low_quality_share: float = 0.5
    low_quality: tuple[int, int] = (5, 40)
    rescale: float = 0.5
    rescale_share: float = 0.3
    grain: float = 0.0
    grain_share: float = 0.0
    other_tables: float = 0.0
    pasts: dict[str, float] = field(default_factory=dict)
    set_weights: dict[str, float] = field(default_factory=dict)
    validation_share: float = 0.05
    seed: int = 0

    @property
    def steps(self) -> int:
        """Optimizer steps from beginning to end."""
        return sum(phase.patches // self.within(phase).batch for phase in self.phases)

    def within(self, phase: Phase) -> Recipe:
        """Return the recipe as it is during one of its phases."""
        return dataclasses.replace(self, **phase.changes)

    def at(self, step: int) -> tuple[Recipe, float]:
        """Return the recipe as it is at step `step`, counted from 0, and the learning rate."""
        begun = 0
        for phase in self.phases:
            current = self.within(phase)
            steps = phase.patches // current.batch
            if step < begun + steps or phase is self.phases[-1]:
                break
            begun += steps
        warmth = min(1.0, (step + 1) / self.warm_up) if self.warm_up else 1.0
        return current, warmth * phase.at((step - begun) * current.batch)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain values, for a checkpoint or a card."""
        return dataclasses.asdict(self)


def from_dict(values: dict[str, Any]) -> Recipe:
    """Return the recipe that `Recipe.to_dict` or a TOML file described.

    Raises:
        UsageError: an entry is missing, unknown or of no use.
    """
    values = dict(values)
    try:
        values["phases"] = tuple(Phase(**phase) for phase in values["phases"])
        for name in ("quality", "low_quality"):
            if name in values:
                values[name] = tuple(values[name])
        recipe = Recipe(**values)
        wrong = _mistakes(recipe)
        wrong += [mistake for phase in recipe.phases for mistake in _mistakes(recipe.within(phase)) if not wrong]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError("a training recipe", str(error), "compare it with the recipes that ship") from error
    if wrong:
        raise UsageError("a training recipe", "; ".join(wrong), "compare it with the recipes that ship")
    return recipe


def _are_shares(shares: dict[str, float]) -> bool:
    return all(share >= 0 for share in shares.values()) and sum(shares.values()) > 0


def _mistakes(recipe: Recipe) -> list[str]:
    """Return what is of no use in a recipe."""
    unknown = set(recipe.samplings) - {*FACTORS, "gray"}
    checks = {
        f"a patch of {recipe.patch}, no multiple of 32": recipe.patch < 32 or recipe.patch % 32,
        f"a batch of {recipe.batch}": recipe.batch < 1,
        "no phase": not recipe.phases,
        "a phase without patches or rate": any(p.patches < 1 or not p.rate > 0 for p in recipe.phases),
        "a phase that ends below 0": any(p.end is not None and not p.end >= 0 for p in recipe.phases),
        f"a warm-up of {recipe.warm_up} steps": recipe.warm_up < 0,
        f"a matrix rate of {recipe.matrix_rate:g}": not recipe.matrix_rate > 0,
        f"unknown samplings {', '.join(sorted(unknown))}": unknown,
        f"an optimizer {recipe.optimizer!r}": recipe.optimizer not in OPTIMIZERS,
        f"a loss {recipe.loss!r}": recipe.loss not in LOSSES,
        f"a part {recipe.part!r}": recipe.part not in PARTS,
        f"unknown pasts {', '.join(sorted(set(recipe.pasts) - set(PASTS)))}": set(recipe.pasts) - set(PASTS),
        "no sampling": not _are_shares(recipe.samplings),
        "no past": recipe.pasts and not _are_shares(recipe.pasts),
        f"grain of {recipe.grain:g}": not 0 <= recipe.grain <= 100,
        f"a share of grain of {recipe.grain_share:g}": not 0 <= recipe.grain_share <= 1,
        f"a share of other tables of {recipe.other_tables:g}": not 0 <= recipe.other_tables <= 1,
        "qualities that are no range within 1..100": not all(
            1 <= low <= high <= 100 for low, high in (recipe.quality, recipe.low_quality)
        ),
    }
    return [mistake for mistake, found in checks.items() if found]


def load(path: Path) -> Recipe:
    """Read a recipe from a TOML file; raises `UsageError` where it is not one.

    An entry `base` names another recipe in the same folder, whose entries hold where the file has none of its own; that
    may have a base, too.
    """
    try:
        values, names = tomllib.loads(path.read_text(encoding="utf-8")), {path.stem}
        while "base" in values:
            name = values.pop("base")
            if name in names:
                raise UsageError(f"a training recipe in {path}", f"{name}, based on itself", "name another base")
            names.add(name)
            values = tomllib.loads(path.with_name(f"{name}.toml").read_text(encoding="utf-8")) | values
        return from_dict(values)
    except (OSError, ValueError) as error:
        raise UsageError(f"a training recipe in {path}", str(error), "name a TOML file") from error


def scaled(recipe: Recipe, *, patches: int) -> Recipe:
    """Return the recipe with its phases shortened or stretched alike to `patches` in all."""
    whole = sum(phase.patches for phase in recipe.phases)
    phases = tuple(
        dataclasses.replace(phase, patches=max(recipe.batch, phase.patches * patches // whole))
        for phase in recipe.phases
    )
    return dataclasses.replace(recipe, phases=phases)
