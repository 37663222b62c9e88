"""Blocks and cells in torch: planes to coefficients and back, and the undoing of chroma's interpolation.

All in the planes' own precision, whatever is around: 16 bits would err by more than a step of a file.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from jpegfilter.jpeg.dct import BLOCK, KERNEL

_KERNEL = torch.from_numpy(KERNEL).view(BLOCK * BLOCK, 1, BLOCK, BLOCK)
"""The transform as filters."""
_TAPS = torch.tensor((-0.25, 0.75, 0.75, -0.25), dtype=torch.float64)
"""Undo linear interpolation by 2 or 4: the two samples on each side of a centre, extended to it."""


def coefficients(planes: Tensor) -> Tensor:
    """Return the DCT coefficients `(N, 64, H / 8, W / 8)`, channel `8 v + u`, of planes `(N, 1, H, W)`."""
    with torch.autocast(planes.device.type, enabled=False):
        return functional.conv2d(planes, _KERNEL.to(planes), stride=BLOCK)


def samples(blocks: Tensor) -> Tensor:
    """Undo `coefficients`."""
    with torch.autocast(blocks.device.type, enabled=False):
        return functional.conv_transpose2d(blocks, _KERNEL.to(blocks), stride=BLOCK)


def undone(planes: Tensor, *, down: int, across: int) -> Tensor:
    """Return planes `(N, 1, H / down, W / across)` of which `jpeg.sampling.upsample` made these, exactly.

    Between the centres of two cells interpolated samples lie on a line, which two of them extend to either centre. For
    a factor of 2 the outer two of the four lie in the neighbouring cells; beyond the border the outermost is held.

    Args:
        planes: `(N, 1, H, W)`.
        down: 1, 2 or 4.
        across: 1, 2 or 4.
    """
    taps = _TAPS.to(planes)
    with torch.autocast(planes.device.type, enabled=False):
        if down == 2:
            planes = torch.cat((planes[..., :1, :], planes, planes[..., -1:, :]), 2)
        if down > 1:
            planes = functional.conv2d(planes, taps.view(1, 1, -1, 1), stride=(down, 1))
        if across == 2:
            planes = torch.cat((planes[..., :1], planes, planes[..., -1:]), 3)
        if across > 1:
            planes = functional.conv2d(planes, taps.view(1, 1, 1, -1), stride=(1, across))
    return planes
