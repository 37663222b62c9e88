"""Torch modules, one file a paper. Importing this room loads torch."""

from __future__ import annotations

from typing import TypeAlias

from jpegfilter.errors import UsageError
from jpegfilter.networks.fast_arcnn import FastArcnn

__all__ = ["NETWORKS", "FastArcnn", "Network", "build"]

Network: TypeAlias = FastArcnn

NETWORKS: dict[str, type[Network]] = {"fast-arcnn": FastArcnn}
"""Every network by the name that recipes, cards and the command line use."""


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
