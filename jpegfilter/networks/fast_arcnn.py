"""The Fast-ARCNN variant of Huang and Tseng, "Restored Damaged JPEG via Deep Neural Network".

Three Conv Units in sequence, a 1x1 and a 5x5 convolution with a PReLU. As in Fast-ARCNN (Dong et al. 2015) the work
is done at half resolution: a stride of 2 at the entrance, undone by a stride-2 deconvolution at the end. What the
report leaves open is decided here: the first convolution sees 2x2 cells of samples (a 6x6 convolution of stride 2), a
unit whose input and output have the same width adds its input to its output, and the network predicts the difference
to its own input.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

CELL = 2
"""Stride of the entrance: samples along one side of a cell."""
UNITS = 3
CHANNELS = 3
"""Planes in and out: Y, Cb and Cr, all at the luma's resolution."""


def _he(convolution: nn.Conv2d, *, slope: float) -> nn.Conv2d:
    """Draw He-initialized weights for the leaky slope that follows; torch's default leaves plain chains unmoved."""
    nn.init.kaiming_normal_(convolution.weight, a=slope, nonlinearity="leaky_relu")
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return convolution


class ConvUnit(nn.Module):
    """3x3 convolution, 1x1 convolution and PReLU, 3x3 convolution and PReLU; `(N, inputs, h, w)` to `(N, width, h, w)`.

    Nothing stands between the first 3x3 and the 1x1 convolution, so that the two are one 3x3 convolution in effect:
    `merged` computes it, and the exported network runs it.
    """

    def __init__(self, inputs: int, *, width: int, shrunk: int) -> None:
        super().__init__()
        self.gather = _he(nn.Conv2d(inputs, width, 3, padding=1, bias=False), slope=1.0)
        self.shrink = _he(nn.Conv2d(width, shrunk, 1), slope=0.25)
        self.shrink_slope = nn.PReLU(shrunk)
        self.expand = _he(nn.Conv2d(shrunk, width, 3, padding=1), slope=0.25)
        self.expand_slope = nn.PReLU(width)
        self.adds_input = inputs == width

    def forward(self, x: Tensor) -> Tensor:
        """Return the features `(N, width, h, w)`."""
        y = self.shrink_slope(self.shrink(self.gather(x)))
        y = self.expand_slope(self.expand(y))
        added: Tensor = x + y if self.adds_input else y
        return added

    def merged(self) -> ConvUnit:
        """Return a unit that computes the same with the first two convolutions made one."""
        unit = ConvUnit(self.gather.in_channels, width=self.expand.out_channels, shrunk=self.shrink.out_channels)
        unit.load_state_dict(self.state_dict())
        weight = torch.einsum("sw,wiyx->siyx", self.shrink.weight[:, :, 0, 0], self.gather.weight)
        one = nn.Conv2d(self.gather.in_channels, self.shrink.out_channels, 3, padding=1)
        with torch.no_grad():
            one.weight.copy_(weight)
            if one.bias is not None and self.shrink.bias is not None:
                one.bias.copy_(self.shrink.bias)
        unit.gather, unit.shrink = one, nn.Identity()  # type: ignore[assignment]
        return unit


class FastArcnn(nn.Module):
    """Restore level-shifted YCbCr planes `(N, 3, H, W)` in 8-bit steps around 0; H and W even.

    Blind: it sees the decompressed picture and no quantization table, at every quality. The output has the input's
    shape and unit and is neither rounded nor clipped.

    Args:
        width: channels between the units.
        shrunk: channels inside a unit.
        narrow: channels between the closing 1x1 and 5x5 convolutions.
    """

    inputs = ("planes",)
    matrices: tuple[str, ...] = ()

    def __init__(self, *, width: int = 48, shrunk: int = 32, narrow: int = 16) -> None:
        super().__init__()
        cells = CHANNELS * CELL * CELL
        inputs = [cells] + [width] * (UNITS - 1)
        self.units = nn.Sequential(*(ConvUnit(i, width=width, shrunk=shrunk) for i in inputs))
        self.close = _he(nn.Conv2d(width, narrow, 1, bias=False), slope=1.0)
        self.large = _he(nn.Conv2d(narrow, shrunk, 5, padding=2), slope=0.25)
        self.large_slope = nn.PReLU(shrunk)
        self.deconvolution = nn.ConvTranspose2d(shrunk, CHANNELS, CELL, stride=CELL)
        nn.init.normal_(self.deconvolution.weight, std=1e-3)
        nn.init.zeros_(self.deconvolution.bias)  # type: ignore[arg-type]
        self.scale = 255.0

    @property
    def halo(self) -> int:
        """Samples on each side of an output sample that can change it (one cell more than the farthest)."""
        return CELL * (2 * UNITS + 2 + 1)

    @property
    def multiple(self) -> int:
        """What heights and widths must be multiples of."""
        return CELL

    @property
    def macs(self) -> int:
        """Multiply-adds for one sample position of the picture."""
        weights = (
            p.numel() for m in self.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d) for p in [m.weight]
        )
        return sum(weights) // CELL**2

    def forward(self, planes: Tensor) -> Tensor:
        """Return the restored planes."""
        x = planes / self.scale if self.scale != 1 else planes
        y = self.units(functional.pixel_unshuffle(x, CELL))
        y = self.large_slope(self.large(self.close(y)))
        change = self.deconvolution(y)
        restored: Tensor = planes + (self.scale * change if self.scale != 1 else change)
        return restored

    def merged(self) -> FastArcnn:
        """Return the same function with fewer operations.

        Each unit's first two convolutions are made one, and the scale goes into the first and the last weights.
        """
        twin = FastArcnn(width=self.close.in_channels, shrunk=self.large.out_channels, narrow=self.large.in_channels)
        twin.load_state_dict(self.state_dict())
        with torch.no_grad():
            twin.units[0].gather.weight /= self.scale  # type: ignore[union-attr, operator]
            twin.deconvolution.weight *= self.scale
            if twin.deconvolution.bias is not None:
                twin.deconvolution.bias *= self.scale
        twin.scale = 1.0
        twin.units = nn.Sequential(*(unit.merged() for unit in twin.units))  # type: ignore[operator]
        return twin.eval()
