"""Residual-in-residual dense blocks (Wang et al., "ESRGAN", ECCV 2018 Workshops, figure 4), dense or in groups."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from jpegfilter.networks.convolution import Convolution

CONVOLUTIONS = 5
"""Convolutions of a dense block."""
DENSE_BLOCKS = 3
"""Dense blocks of a residual-in-residual one."""
_SHARE = 0.2
"""What a block's result is multiplied by before it is added (ESRGAN, 3.1: lest training become unstable)."""
_SLOPE = 0.2
"""Slope of the leaky rectifiers below 0."""


def _convolution(inputs: int, outputs: int, groups: int) -> nn.Module:
    """Return a 3x3 convolution of `groups` groups with so many channels each."""
    if groups == 1:
        return Convolution(inputs, outputs)
    return nn.Conv2d(groups * inputs, groups * outputs, 3, padding=1, groups=groups)


def join(parts: list[Tensor], groups: int) -> Tensor:
    """Return features of all parts together, group by group: channels are `[group, channel]`."""
    if groups == 1:
        return torch.cat(parts, 1)
    count, _, height, width = parts[0].shape
    seen = torch.cat([part.reshape(count, groups, part.shape[1] // groups, height, width) for part in parts], 2)
    return seen.reshape(count, -1, height, width)


class DenseBlock(nn.Module):
    """Five 3x3 convolutions, each of which sees what all before it have made; added to the input.

    Args:
        width: channels of a group.
        growth: channels of a group that a convolution adds.
        groups: groups that do not see each other.
    """

    def __init__(self, width: int, growth: int, *, groups: int = 1) -> None:
        super().__init__()
        self.groups = groups
        outputs = [growth] * (CONVOLUTIONS - 1) + [width]
        self.convolutions = nn.ModuleList(
            _convolution(width + index * growth, made, groups) for index, made in enumerate(outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the shape of `x`, `(N, groups * width, h, w)`."""
        seen = [x]
        for convolution in self.convolutions[:-1]:
            seen.append(functional.leaky_relu(convolution(join(seen, self.groups)), _SLOPE))
        added: Tensor = x + _SHARE * self.convolutions[-1](join(seen, self.groups))
        return added


class Rrdb(nn.Module):
    """Dense blocks in a row, whose result is added to the input once more."""

    def __init__(self, width: int, growth: int, *, groups: int = 1, blocks: int = DENSE_BLOCKS) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(DenseBlock(width, growth, groups=groups) for _ in range(blocks)))

    @property
    def reach(self) -> int:
        """Positions on each side of one that can change it."""
        return CONVOLUTIONS * len(self.blocks)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the shape of `x`."""
        added: Tensor = x + _SHARE * self.blocks(x)
        return added
