"""The training loop: draw, compress, restore, compare, step; checkpoints, resumption and validation."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from jpegfilter.compression.planes import clean_planes
from jpegfilter.engines.precision import autocast
from jpegfilter.errors import UsageError
from jpegfilter.networks import Qgac, build, inputs_of
from jpegfilter.training import checkpoint, losses
from jpegfilter.training.checkpoint import Checkpoint
from jpegfilter.training.data import Patches, Photos, draw
from jpegfilter.training.degradation import degrade
from jpegfilter.training.recipe import Recipe
from jpegfilter.training.statistics import statistics
from jpegfilter.training.validation import validate

LOG = logging.getLogger(__name__)
_CONVOLUTION = 4
"""Dimensions of a convolution's weight."""
_EPSILON = 1e-12
"""Adam's: gradients deep inside QGAC are of the size of the usual 1e-8, which would hold their steps back."""
_AHEAD = 4
"""Batches drawn ahead of the network by a thread, so that it never waits for data."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Where and how to run, which changes nothing in what is learnt but for rounding.

    Attributes:
        out: checkpoint file.
        device: a torch device.
        seconds: stop cleanly after this long; None runs to the end.
        save_every: seconds between checkpoints.
        validate_every: steps between validations.
        log_every: steps between log lines.
        compiled: let torch compile the network.
    """

    out: Path
    device: str = "cpu"
    seconds: float | None = None
    save_every: float = 180.0
    validate_every: int = 2500
    log_every: int = 500
    compiled: bool = False


def _batches(photos: Photos, recipe: Recipe, *, first: int, last: int) -> Iterator[Patches]:
    """Yield the batches of steps `first` up to `last`, drawn ahead by a thread of their own."""
    with ThreadPoolExecutor(1) as pool:

        def submit(step: int) -> Future[Patches]:
            return pool.submit(draw, photos, recipe.at(step)[0], step=step)

        ahead = deque(submit(step) for step in range(first, min(first + _AHEAD, last)))
        for step in range(first + _AHEAD, last + _AHEAD):
            if not ahead:
                return
            batch = ahead.popleft().result()
            if step < last:
                ahead.append(submit(step))
            yield batch


def _optimizers(recipe: Recipe, names: dict[str, nn.Parameter], matrices: Sequence[str]) -> list[torch.optim.Optimizer]:
    """Return what moves the parameters: Adam, and where the recipe says so Muon for the network's `matrices`.

    Each group's "factor" is what the recipe's rate is multiplied by.
    """
    if recipe.optimizer == "muon" and not matrices:
        raise UsageError("a network with matrices for Muon", recipe.network, 'say optimizer = "adam" in the recipe')
    inner = matrices if recipe.optimizer == "muon" else ()
    rest = [parameter for name, parameter in names.items() if name not in inner]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.Adam(
            [{"params": rest, "factor": 1.0}], betas=(recipe.beta1, recipe.beta2), eps=_EPSILON, fused=True
        )
    ]
    if inner:
        group = {"params": [names[name] for name in inner], "factor": recipe.matrix_rate}
        optimizers.append(torch.optim.Muon([group], weight_decay=recipe.matrix_decay, adjust_lr_fn="match_rms_adamw"))
    return optimizers


def _recall(optimizer: torch.optim.Optimizer, names: dict[str, nn.Parameter], moments: dict[str, Tensor]) -> None:
    """Give an optimizer back what it remembered of its parameters when the checkpoint was written."""
    owned = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    for name, parameter in names.items():
        if id(parameter) not in owned:
            continue
        state = {}
        for key, value in moments.items():
            owner, _, entry = key.rpartition(".")
            if owner != name:
                continue
            if value.dim():  # laid out in memory as the parameter is: fused Adam walks both alike
                state[entry] = torch.empty_like(parameter, requires_grad=False).copy_(value)
            else:
                state[entry] = value.to(parameter.device)
        optimizer.state[parameter] = state


class Run:
    """A training run: the network, its moving average and its optimizer, from a recipe or from a checkpoint."""

    def __init__(
        self, recipe: Recipe, *, options: RunOptions, origin: dict[str, str], state: Checkpoint | None
    ) -> None:
        self.recipe, self.options, self.origin = recipe, options, origin
        self.device = torch.device(options.device)
        torch.manual_seed(recipe.seed)
        self.network: nn.Module = build(recipe.network, recipe.widths)
        self.step = 0
        if state is not None:
            self.network.load_state_dict(state.weights)
            self.step = state.step
        self.network.to(self.device)
        for parameter in self.network.parameters():
            if parameter.dim() == _CONVOLUTION:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        self.names = dict(self.network.named_parameters())
        source = state.average if state is not None else {k: v.detach() for k, v in self.names.items()}
        self.average = {name: source[name].detach().clone().to(self.device) for name in self.names}
        trained = {name: parameter for name, parameter in self.names.items() if parameter.requires_grad}
        self.optimizers = _optimizers(recipe, trained, self.network.matrices)
        for optimizer in self.optimizers:
            if state is not None and state.moments:
                _recall(optimizer, self.names, state.moments)
        for phase in recipe.phases:
            part = recipe.within(phase).part
            if part not in getattr(self.network, "parts", ("all",)):
                raise UsageError(f"a network that has the part {part!r}", recipe.network, 'say part = "all"')
        self.forward = torch.compile(self.network) if options.compiled else self.network

    def save(self) -> None:
        """Write the checkpoint."""
        moments = {
            f"{name}.{entry}": value
            for optimizer in self.optimizers
            for name, parameter in self.names.items()
            if parameter in optimizer.state
            for entry, value in optimizer.state[parameter].items()
        }
        weights = {name: parameter.detach() for name, parameter in self.names.items()}
        state = Checkpoint(self.step, weights, self.average, moments, self.recipe, self.origin)
        checkpoint.save(state, self.options.out)

    def advance(self, batch: Patches) -> Tensor:
        """Take one optimizer step and return its loss."""
        recipe, rate = self.recipe.at(self.step)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * group["factor"]
        if isinstance(self.network, Qgac):
            self.network.part = recipe.part
        rgb = batch.rgb.to(self.device, non_blocking=True)
        shown = degrade(rgb, batch.last, batch.past, patch=recipe.patch)
        planes = shown.planes.contiguous(memory_format=torch.channels_last)
        with autocast(self.device):
            restored = self.forward(*inputs_of(self.network, planes=planes, tables=shown.tables))
        loss = losses.loss(recipe.loss, restored, clean_planes(shown.clean), part=recipe.part)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.names.values(), self.recipe.clip, foreach=True)
        for optimizer in self.optimizers:
            optimizer.step()
        self.step += 1
        decay = min(self.recipe.average, self.step / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.values()), list(self.names.values()), 1 - decay)
        return loss.detach()


def train(photos: Photos, held_out: Photos, run: Run) -> None:
    """Train until the recipe ends or the options' time is up; the last checkpoint lies in `run.options.out`."""
    options, recipe = run.options, run.recipe
    if run.step == 0 and isinstance(run.network, Qgac):
        run.network.know(*statistics(photos, recipe, device=run.device))
        run.average |= {name: run.names[name].detach().clone() for name in ("mean", "deviation")}
    start = saved = logged = time.monotonic()
    waited, total, count = 0.0, torch.zeros((), device=run.device), 0
    asked = start
    for batch in _batches(photos, recipe, first=run.step, last=recipe.steps):
        waited += time.monotonic() - asked
        total += run.advance(batch)
        count += 1
        now = time.monotonic()
        if run.step % options.log_every == 0:
            current, rate = recipe.at(run.step - 1)
            speed = count * current.batch / (now - logged)
            LOG.info(
                "step %d of %d, rate %.0e, loss %.3e, %.0f patches/s, %.2f Mpx/s, %.1f %% waiting",
                run.step,
                recipe.steps,
                rate,
                total.item() / count,
                speed,
                speed * current.patch**2 / 1e6,
                100 * waited / (now - logged),
            )
            waited, count, logged = 0.0, 0, now
            total.zero_()
        if run.step % options.validate_every == 0 or run.step == recipe.steps:
            LOG.info(
                "step %d, validation: %s", run.step, validate(run.network, run.average, held_out, device=run.device)
            )
            logged, count, waited = time.monotonic(), 0, 0.0
            total.zero_()
        if now - saved > options.save_every:
            run.save()
            saved = now
        if options.seconds is not None and now - start > options.seconds:
            break
        asked = time.monotonic()
    run.save()
