"""Our own network: a small U-Net that starts at half resolution and is told the quantization tables.

Three resolutions, 1/2, 1/4 and 1/8 of the picture's: at the coarsest a position is one luma block. Residual blocks of
two 3x3 convolutions at each; what a resolution had before going down is added to what comes up (a sum costs nothing, a
concatenation a convolution). The logarithms of the tables go through a small perceptron that scales and shifts the
features inside every block (FiLM, Perez et al. 2018), so that one set of weights serves every quality. The network
predicts the difference to its own input. docs/designs.md shows what was tried beside it.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from jpegfilter.networks.convolution import Convolution

CELL = 2
"""Samples along one side of a cell, the finest resolution the network works at."""
CHANNELS = 3
"""Planes in and out: Y, Cb and Cr, all at the luma's resolution."""
_TABLES = 2 * 64
"""Numbers the tables of luma and chroma hold."""
_CODE = 96
"""Width of the perceptron between the tables and the scales and shifts."""
_SCALE = 64.0
"""8-bit steps in one unit of what the convolutions see."""


class Block(nn.Module):
    """Two 3x3 convolutions around a rectifier, added to the input; scaled and shifted between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.first = Convolution(width, width)
        self.second = Convolution(width, width, gain=0.5)

    def forward(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """Return the features `(N, width, h, w)`; `scale` and `shift` are `(N, width, 1, 1)`."""
        y = functional.relu(self.first(x) * scale + shift)
        added: Tensor = x + self.second(y)
        return added


class TableUnet(nn.Module):
    """Restore level-shifted YCbCr planes `(N, 3, H, W)` in 8-bit steps around 0; H and W multiples of 8.

    It is told the tables and may be used at every quality. The output has the input's shape and unit and is neither
    rounded nor clipped.

    Args:
        fine: channels at half resolution.
        middle: channels at a quarter.
        coarse: channels at an eighth.
        fine_blocks: residual blocks at half resolution on the way down, and as many on the way up.
        middle_blocks: the same at a quarter.
        coarse_blocks: residual blocks at an eighth.
    """

    inputs = ("planes", "tables")

    def __init__(
        self,
        *,
        fine: int = 32,
        middle: int = 64,
        coarse: int = 128,
        fine_blocks: int = 1,
        middle_blocks: int = 1,
        coarse_blocks: int = 3,
    ) -> None:
        super().__init__()
        cells = CHANNELS * CELL * CELL
        self.enter = Convolution(cells, fine)
        self.fine_down = nn.ModuleList(Block(fine) for _ in range(fine_blocks))
        self.to_middle = Convolution(fine, middle, side=2, stride=2, gain=1)
        self.middle_down = nn.ModuleList(Block(middle) for _ in range(middle_blocks))
        self.to_coarse = Convolution(middle, coarse, side=2, stride=2, gain=1)
        self.coarse = nn.ModuleList(Block(coarse) for _ in range(coarse_blocks))
        self.from_coarse = Convolution(coarse, 4 * middle, side=1, gain=1)
        self.middle_up = nn.ModuleList(Block(middle) for _ in range(middle_blocks))
        self.from_middle = Convolution(middle, 4 * fine, side=1, gain=1)
        self.fine_up = nn.ModuleList(Block(fine) for _ in range(fine_blocks))
        self.leave = Convolution(fine, cells, gain=0.01)
        self.widths = [m.width for m in self.modules() if isinstance(m, Block)]
        self.code = nn.Sequential(nn.Linear(_TABLES, _CODE), nn.ReLU(), nn.Linear(_CODE, 2 * sum(self.widths)))
        nn.init.normal_(self.code[2].weight, std=0.01)  # type: ignore[arg-type]
        nn.init.zeros_(self.code[2].bias)  # type: ignore[arg-type]
        self.scale = _SCALE

    @property
    def matrices(self) -> tuple[str, ...]:
        """Names of the parameters that Muon moves: the convolutions inside, neither the first nor the last."""
        inner = (name for name, module in self.named_modules() if isinstance(module, Convolution))
        return tuple(f"{name}.matrix" for name in inner if name not in ("enter", "leave"))

    @property
    def multiple(self) -> int:
        """What heights and widths must be multiples of."""
        return 4 * CELL

    @property
    def halo(self) -> int:
        """Samples on each side of an output sample that can change it, in whole positions of the coarsest level."""
        fine, middle, coarse = (len(blocks) for blocks in (self.fine_down, self.middle_down, self.coarse))
        reach = CELL * (2 + 4 * fine + 2 * 4 * middle + 4 * 2 * coarse) + self.multiple
        return -(-reach // self.multiple) * self.multiple

    @property
    def macs(self) -> int:
        """Multiply-adds for one sample position of the picture."""
        weight: dict[int, int] = {CELL: 0, 2 * CELL: 0, 4 * CELL: 0}
        sides = {"enter": 2, "fine": 2, "leave": 2, "to_middle": 4, "from_middle": 4, "middle": 4}
        for name, module in self.named_modules():
            if isinstance(module, Convolution):
                part = name.split(".")[0]
                weight[sides.get(part, sides.get(part.split("_")[0], 8))] += module.matrix.numel()
        return sum(count // (side * side) for side, count in weight.items())

    def merged(self) -> TableUnet:
        """Return the same function with fewer operations: the scale goes into the first and the last weights."""
        twin = copy.deepcopy(self).eval()
        with torch.no_grad():
            twin.enter.matrix.div_(self.scale)
            twin.leave.matrix.mul_(self.scale)
            twin.leave.bias.mul_(self.scale)
        twin.scale = 1.0
        return twin

    def load_merged(self, state: dict[str, Tensor]) -> None:
        """Take the parameters of what `merged` returned: the same function, in numbers that can be trained."""
        self.load_state_dict(state)
        with torch.no_grad():
            self.enter.matrix.mul_(self.scale)
            self.leave.matrix.div_(self.scale)
            self.leave.bias.div_(self.scale)

    def join(self, kept: Tensor, up: Tensor) -> Tensor:
        """Return what goes on at a level, of what it had before and of what comes up."""
        return kept + up

    def forward(self, planes: Tensor, tables: Tensor) -> Tensor:
        """Return the restored planes; `tables` are those of luma and chroma, `(N, 2, 8, 8)`."""
        code = self.code(torch.log2(tables.flatten(1)) / 2 - 2)
        parts = iter(code[:, :, None, None].split(self.widths * 2, dim=1))
        shifts = [next(parts) for _ in self.widths]
        scales = [1 + next(parts) for _ in self.widths]
        told = iter(zip(scales, shifts, strict=True))

        def through(blocks: nn.ModuleList, x: Tensor) -> Tensor:
            for block in blocks:
                x = block(x, *next(told))
            return x

        x = planes if self.scale == 1 else planes / self.scale
        fine = through(self.fine_down, self.enter(functional.pixel_unshuffle(x, CELL)))
        middle = through(self.middle_down, self.to_middle(fine))
        coarse = through(self.coarse, self.to_coarse(middle))
        middle = through(self.middle_up, self.join(middle, functional.pixel_shuffle(self.from_coarse(coarse), 2)))
        fine = through(self.fine_up, self.join(fine, functional.pixel_shuffle(self.from_middle(middle), 2)))
        change = functional.pixel_shuffle(self.leave(fine), CELL).float()
        restored: Tensor = planes + (change if self.scale == 1 else self.scale * change)
        return restored
