"""Torch modules, one file a paper. Importing this room loads torch."""

from __future__ import annotations

from typing import TypeAlias

from torch import Tensor, nn

from jpegfilter.errors import UsageError
from jpegfilter.networks.fast_arcnn import FastArcnn
from jpegfilter.networks.qgac import Qgac
from jpegfilter.networks.table_unet import TableUnet

__all__ = ["NETWORKS", "FastArcnn", "Network", "Qgac", "TableUnet", "build", "inputs_of"]

Network: TypeAlias = FastArcnn | Qgac | TableUnet

NETWORKS: dict[str, type[FastArcnn] | type[Qgac] | type[TableUnet]] = {
    "fast-arcnn": FastArcnn,
    "qgac": Qgac,
    "table-unet": TableUnet,
}
"""Every network by the name that recipes use."""


def build(name: str, widths: dict[str, int]) -> Network:
    """Return a freshly initialized network.

    Raises:
        UsageError: an unknown name or width.
    """
    if name not in NETWORKS:
        raise UsageError("a known network", repr(name), f"choose among: {', '.join(NETWORKS)}")
    try:
        return NETWORKS[name](**widths)
    except TypeError as error:
        raise UsageError(f"widths of {name}", str(error), "correct the recipe") from error


def inputs_of(network: nn.Module, *, planes: Tensor, tables: Tensor) -> tuple[Tensor, ...]:
    """Return what a network reads of planes and tables, in its order."""
    given = {"planes": planes, "tables": tables}
    names: tuple[str, ...] = network.inputs  # type: ignore[assignment]
    return tuple(given[name] for name in names)
