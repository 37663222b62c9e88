"""Checkpoints: weights, their moving average and Adam's state as safetensors, with recipe, step and origin as text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from jpegfilter.engines import torch_network
from jpegfilter.errors import OutputError, UsageError, WeightsError
from jpegfilter.training.recipe import Recipe, from_dict
from jpegfilter.weights import Card


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A training run between two steps.

    Attributes:
        step: optimizer steps done.
        weights: the network's parameters by name.
        average: their moving average by name: what ships.
        moments: Adam's state, `"<parameter>.<entry>"`.
        recipe: what the run follows.
        origin: commit, data manifest and versions, as text by name.
    """

    step: int
    weights: dict[str, Tensor]
    average: dict[str, Tensor]
    moments: dict[str, Tensor]
    recipe: Recipe
    origin: dict[str, str]


_GROUPS = ("weights", "average", "moments")


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint so that `path` is at every moment the old one or the new one, whole.

    Raises:
        OutputError: it cannot be written.
    """
    tensors = {
        f"{group}/{name}": tensor.detach().cpu().contiguous()
        for group in _GROUPS
        for name, tensor in getattr(checkpoint, group).items()
    }
    text = {"step": checkpoint.step, "recipe": checkpoint.recipe.to_dict(), "origin": checkpoint.origin}
    partial = path.with_suffix(".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        safetensors.torch.save_file(tensors, partial, metadata={"jpegfilter": json.dumps(text)})
        partial.replace(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise OutputError(f"to write the checkpoint {path}", str(error), "choose another place") from error


BEGAN = "began as"
"""Where a run's origin says with which shipped weights it began."""


def beginning(card: Card, recipe: Recipe) -> Checkpoint:
    """Return a run that begins at a shipped network's weights, so that training goes on where it ended for that one.

    Raises:
        UsageError: the recipe trains another network, or one that cannot be had in torch.
        WeightsError: the file is not what its card says.
    """
    network = torch_network.network(card)
    if (recipe.network, recipe.widths) != (card.recipe["network"], card.recipe["widths"]):
        raise UsageError(
            f"a recipe for the network of {card.name}", f"{recipe.network}, {recipe.widths}", "take its widths"
        )
    weights = {name: parameter.detach() for name, parameter in network.named_parameters()}
    return Checkpoint(0, weights, weights, {}, recipe, {BEGAN: f"{card.name} {card.sha256}"})


def load(path: Path) -> Checkpoint:
    """Read what `save` wrote.

    Raises:
        WeightsError: no checkpoint, or a damaged one.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            text: dict[str, Any] = json.loads((file.metadata() or {})["jpegfilter"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        groups: dict[str, dict[str, Tensor]] = {group: {} for group in _GROUPS}
        for name, tensor in tensors.items():
            group, _, key = name.partition("/")
            groups[group][key] = tensor
        return Checkpoint(text["step"], **groups, recipe=from_dict(text["recipe"]), origin=text["origin"])
    except (OSError, KeyError, TypeError, ValueError, UsageError, safetensors.SafetensorError) as error:
        raise WeightsError(f"a training checkpoint in {path}", str(error), "name a file written by a run") from error
