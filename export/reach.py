"""How far around a tile a network must see: farther off it could look, but what it sees there changes nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from jpegfilter.compression.libjpeg import Step
from jpegfilter.jpeg import tables
from jpegfilter.networks import inputs_of
from jpegfilter.training.data import Photos
from jpegfilter.training.validation import central_crop, table_row

TOLERANCE = 0.05
"""Largest change, in 8-bit steps, that a halo may leave: a twentieth of what a picture of 8 bits can show."""
QUALITIES = (5, 20, 60, 95)
_TILE = 64
_PICTURES = 40
"""Pictures that are looked at."""


def _middle(planes: Tensor, side: int) -> Tensor:
    start = (planes.shape[-1] - side) // 2
    return planes[..., start : start + side, start : start + side]


@torch.no_grad()
def reach(network: nn.Module, photos: Photos, *, farthest: int, multiple: int) -> int:
    """Return the smallest halo that changes no sample of a tile by more than `TOLERANCE`, and one multiple more.

    Where no picture is large enough to tell, that is `farthest`. Pictures that hold a tile with three eighths of that
    around it are: dense blocks in a row reach far by construction, and see next to nothing from there.

    Args:
        network: as exported.
        photos: pictures it was not trained on.
        farthest: the halo beyond which nothing can change, by the network's construction.
        multiple: what halos are multiples of.
    """
    crops = [central_crop(image, largest=_TILE + 2 * farthest + 31) for image in photos.images]
    crops = [rgb for rgb in crops if rgb.shape[-1] >= _TILE + farthest * 3 // 4]
    needed = multiple if crops else farthest
    for rgb in crops[:_PICTURES]:
        room = (rgb.shape[-1] - _TILE) // 2
        for quality in QUALITIES:
            step = Step(table_row(tables.LUMA, quality), table_row(tables.CHROMA, quality), "4:2:0")
            planes = step(rgb)
            whole = _middle(network(*inputs_of(network, planes=planes, tables=step.tables)), _TILE)
            while needed < room:
                seen = _middle(planes, _TILE + 2 * needed).contiguous()
                part = _middle(network(*inputs_of(network, planes=seen, tables=step.tables)), _TILE)
                if float((part - whole).abs().max()) <= TOLERANCE:
                    break
                needed += multiple
            if needed == room < farthest:  # nothing tells what lies beyond
                return farthest
    return min(farthest, needed + multiple)
