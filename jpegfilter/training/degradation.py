"""What befalls training pictures: compression, and what may have gone before it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from jpegfilter.compression.libjpeg import Step, rgb_to_ycbcr, to_rgb
from jpegfilter.compression.planes import clean_planes
from jpegfilter.jpeg import dct


@dataclass(frozen=True, slots=True)
class Degraded:
    """What a network is shown of a batch, and what it should have made of it.

    Attributes:
        planes: level-shifted Y, Cb and Cr, `(N, 3, P, P)`.
        tables: what it is told of luma and chroma, `(N, 2, 8, 8)` float.
        clean: 8-bit RGB `(N, 3, P, P)`.
    """

    planes: Tensor
    tables: Tensor
    clean: Tensor


@dataclass(frozen=True, slots=True)
class Past:
    """What befell a batch before its last compression.

    Attributes:
        first: the first compression.
        again: whether another followed; otherwise pixels were kept.
        offset: rows and columns cut off in between.
        size: side to which the picture was reduced in between, or None.
        found: whether the network is shown the first compression's grid and tables, or the last's.
    """

    first: Step
    again: bool
    offset: tuple[int, int]
    size: int | None
    found: bool


def _crop(x: Tensor, top: int, left: int, side: int) -> Tensor:
    return x[..., top : top + side, left : left + side]


def degrade(rgb: Tensor, last: Step, past: Past | None, *, patch: int) -> Degraded:
    """Return what a network is shown.

    Args:
        rgb: 8-bit `(N, 3, S, S)`; S is `patch`, or larger by what `past` cuts off.
        last: the compression of which the file's header tells.
        past: what befell it before; None where nothing did.
        patch: side of the result, a multiple of 32.
    """
    if last.sampling == "gray":  # nobody can tell a gray file's colors: the picture is a gray one
        rgb = rgb_to_ycbcr(rgb)[:, :1].to(torch.uint8).expand(-1, 3, -1, -1)
    if past is None:
        return Degraded(last(rgb), last.tables.to(rgb.device), rgb)
    seen = to_rgb(past.first(rgb))
    if past.size is not None:
        sized = functional.interpolate(
            torch.cat((rgb, seen)).float(), size=(past.size, past.size), mode="bicubic", antialias=True
        )
        rgb, seen = sized.round().clamp(0, 255).to(torch.uint8).chunk(2)
    top, left = past.offset
    side = patch + 32 if past.found else patch
    rgb, seen = _crop(rgb, top, left, side), _crop(seen, top, left, side)
    planes = last(seen) if past.again else clean_planes(seen)
    if not past.found:
        return Degraded(planes, last.tables.to(rgb.device), rgb)
    top, left = -top % dct.BLOCK, -left % dct.BLOCK  # the first whole blocks of the first compression
    told = past.first.tables.to(rgb.device)
    return Degraded(_crop(planes, top, left, patch), told, _crop(rgb, top, left, patch))
