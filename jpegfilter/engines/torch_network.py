"""A shipped network in torch, where its weights can move: what `fitting` fits to one picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnx.numpy_helper
import torch
from torch import Tensor, nn

from jpegfilter import weights
from jpegfilter.engines import views
from jpegfilter.engines.precision import autocast
from jpegfilter.errors import UsageError, WeightsError
from jpegfilter.jpeg import color
from jpegfilter.jpeg.types import Floats, Table
from jpegfilter.networks import TableUnet, inputs_of
from jpegfilter.weights import Card


def _parameters(content: bytes) -> dict[str, Tensor]:
    """Return the parameters that an ONNX file holds, by the names that they had in torch.

    The exporter keeps the names but for the convolutions' matrices, which it lays out as `(outputs, inputs, y, x)`
    under names of its own. Each stands beside its bias.
    """
    graph = onnx.load_from_string(content).graph
    held = {entry.name: torch.from_numpy(onnx.numpy_helper.to_array(entry).copy()) for entry in graph.initializer}
    for node in graph.node:
        if node.op_type == "Conv":
            _, weight, bias = node.input
            held[bias.removesuffix(".bias") + ".matrix"] = held.pop(weight).permute(0, 2, 3, 1).flatten(1)
    return held


def network(card: Card) -> nn.Module:
    """Return a shipped network with its weights.

    Raises:
        UsageError: a network that cannot be had in torch.
        WeightsError: the file is not what its card says.
    """
    if card.recipe.get("network") != "table-unet":
        raise UsageError("a network that can be fitted", card.name, "choose default, best or fast")
    made = TableUnet(**card.recipe["widths"])
    try:
        made.load_merged(_parameters(weights.onnx_bytes(card)))
    except (RuntimeError, KeyError, ValueError) as error:
        raise WeightsError(f"the weights of {card.name}", str(error), "install jpegfilter again") from error
    return made.eval()


class TorchNetwork:
    """An engine (see `contract.Engine`) that runs a torch network.

    Args:
        card: what is known of the network.
        made: the network, on its device.
        count: views whose results are averaged.
    """

    def __init__(self, card: Card, made: nn.Module, *, count: int) -> None:
        self.halo, self.multiple = card.halo, card.multiple
        self.doubt = card.doubts
        self.network, self.count = made, count
        self.device = next(made.parameters()).device
        self.description = f"torch on {self.device}"

    def restore(self, planes: Floats, tables: Sequence[Table]) -> Floats:
        """Return the restored planes; see `contract.Engine.restore`."""
        return views.average(self._once, color.with_chroma(planes), tables, self.count)[: len(planes)]

    @torch.no_grad()
    def _once(self, planes: Floats, tables: Sequence[Table]) -> Floats:
        given = torch.from_numpy(planes)[None].to(self.device).contiguous(memory_format=torch.channels_last)
        told = torch.from_numpy(np.stack(tables).astype(np.float32))[None].to(self.device)
        with autocast(self.device):
            restored = self.network(*inputs_of(self.network, planes=given, tables=told))
        found: Floats = restored[0].float().cpu().contiguous().numpy()
        return found
