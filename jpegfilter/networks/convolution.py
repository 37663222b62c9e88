"""A convolution laid out for fast training: its weights are one matrix."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

GAIN = math.sqrt(2)
"""He's factor for a rectifier."""


class Convolution(nn.Module):
    """A convolution whose weights are one matrix, `(outputs, side * side * inputs)`.

    The matrix is what Muon orthogonalizes, and read as `(outputs, side, side, inputs)` it is the layout in memory that
    is fastest. With `stride` equal to `side` it gathers cells that do not overlap; otherwise it keeps the size.
    """

    def __init__(self, inputs: int, outputs: int, *, side: int = 3, stride: int = 1, gain: float = GAIN) -> None:
        super().__init__()
        self.shape = (outputs, side, side, inputs)
        self.stride, self.padding = stride, (side - stride + 1) // 2
        fan = side * side * inputs
        self.matrix = nn.Parameter(torch.randn(outputs, fan) * (gain / math.sqrt(fan)))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return `(N, outputs, h, w)` of `(N, inputs, h, w)`, or a `stride`-th of it."""
        weight = self.matrix.view(self.shape).permute(0, 3, 1, 2)
        return functional.conv2d(x, weight, self.bias, stride=self.stride, padding=self.padding)
