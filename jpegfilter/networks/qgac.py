"""QGAC: Ehrlich, Davis, Lim, Shrivastava, "Quantization Guided JPEG Artifact Correction" (ECCV 2020).

One network for every quality, because the weights of some of its convolutions are computed from the quantization
tables. It works on DCT coefficients: luma's first, then those of chroma, guided by the restored luma. Planes become
coefficients at its doors and nowhere else.

The paper lays coefficients out as a mosaic of blocks, `(N, c, H, W)`, and gathers blocks by convolutions of 8x8 with
stride 8. Here a block is one position with its 64 frequencies as channels, `(N, 64 c, H / 8, W / 8)`, channel
`[8 v + u, c]`: such a convolution is then a matrix product, its transpose another, and the rearrangement between mosaic
and frequencies is none at all. The functions are the same (tests/networks/test_qgac.py).

Chroma of every subsampling comes at luma's resolution, interpolated. The network looks at it twice: halved, which for
4:2:0 gives back the very samples of the file (docs/math.md, section 3), as the paper has it; and as it is, on luma's
blocks, which the paper, knowing 4:2:0 alone, has not.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from jpegfilter.compression.blocks import coefficients, samples, undone
from jpegfilter.jpeg.dct import BLOCK
from jpegfilter.networks.convolution import Convolution
from jpegfilter.networks.rrdb import Rrdb, join

FREQUENCIES = BLOCK * BLOCK
"""Coefficients of a block."""
PAPER = {
    "manifold": 64, "rank": 0, "channels": 256, "growth": 256, "unblocked": 64, "frequency": 4, "frequency_growth": 4,
    "frequency_blocks": 3, "color": 32, "color_growth": 32, "guided": 64, "guided_growth": 64, "whole": 0,
    "steps": 0,
}  # fmt: skip
"""The paper's widths: 259 million weights."""
_FUSED = 4
"""Channels of a frequency between the two convolutions that fuse three results (the paper, 3.3)."""
_HALF = 2
"""What chroma is halved by."""
_LOW = 4
"""Frequencies in a row of halved chroma that luma's blocks hold."""
_PART = 0.1
"""Share of a fresh filter that depends on the table."""


class ConvolutionalFilterManifold(nn.Module):
    """Filters as a function of the quantization table (the paper, 3.1).

    The paper's layers on the 8x8 table are an 8x8 convolution, which leaves one position; a 1x1 convolution; and a
    transposed 8x8 convolution, which makes filters of what stands there. On one position these are matrices.

    Args:
        outputs: rows of the filter.
        inputs: its columns.
        biases: how many biases; each holds for `outputs / biases` rows in turn.
        width: channels between the layers, "M".
        rank: numbers that are left of them before the last layer; 0 leaves all.
        gain: size of what the filter makes.
    """

    def __init__(
        self, outputs: int, inputs: int, *, biases: int, width: int, rank: int, gain: float = math.sqrt(2)
    ) -> None:
        super().__init__()
        self.outputs, self.inputs, self.biases = outputs, inputs, biases
        self.features = nn.Sequential(nn.Linear(FREQUENCIES, width), nn.PReLU(), nn.Linear(width, width), nn.PReLU())
        self.narrow = nn.Linear(width, rank) if rank else nn.Identity()
        self.filter = nn.Linear(rank or width, outputs * inputs)
        self.bias = nn.Linear(width, biases)
        size = gain / math.sqrt(inputs)
        nn.init.normal_(self.filter.weight, std=_PART * size / math.sqrt(rank or width))
        nn.init.normal_(self.filter.bias, std=size)
        nn.init.normal_(self.bias.weight, std=0.01)
        nn.init.zeros_(self.bias.bias)

    def forward(self, table: Tensor) -> tuple[Tensor, Tensor]:
        """Return filters `(N, outputs, inputs)` and biases `(N, outputs, 1)` of tables `(N, 64)`, by `code`."""
        features = self.features(table)
        filters = self.filter(self.narrow(features)).unflatten(1, (self.outputs, self.inputs))
        biases = self.bias(features).repeat(1, self.outputs // self.biases)
        return filters, biases[:, :, None]


Filter = tuple[Tensor, Tensor]


def filtered(x: Tensor, made: Filter) -> Tensor:
    """Return `(N, outputs, h, w)` of `(N, inputs, h, w)`: each picture through filters of its own."""
    matrix, bias = made
    count, channels, height, width = x.shape
    flat = torch.matmul(matrix, x.reshape(count, channels, height * width)) + bias
    return flat.reshape(count, matrix.shape[-2], height, width)


def code(table: Tensor) -> Tensor:
    """Return tables `(N, 64)` as numbers around 0: steps differ by factors."""
    return torch.log2(table) / 2 - 2


class BlockNet(nn.Module):
    """Whole blocks in, features of a block, whole blocks out (the paper, figure 3).

    Args:
        inputs: channels of a frequency that come in.
        channels: features of a block.
        growth: of the dense blocks between.
        unblocked: channels of a frequency that go out.
        width: of the manifolds.
        rank: of the manifolds.
    """

    def __init__(self, inputs: int, *, channels: int, growth: int, unblocked: int, width: int, rank: int) -> None:
        super().__init__()
        manifold = {"width": width, "rank": rank}
        self.embed = ConvolutionalFilterManifold(channels, FREQUENCIES * inputs, biases=channels, **manifold)
        self.embed_slope = nn.PReLU()
        self.rrdb = Rrdb(channels, growth)
        self.unblock = ConvolutionalFilterManifold(FREQUENCIES * unblocked, channels, biases=unblocked, **manifold)
        self.unblock_slope = nn.PReLU()

    def filters(self, table: Tensor) -> list[Filter]:
        """Return the filters of tables `(N, 64)`."""
        return [self.embed(table), self.unblock(table)]

    def forward(self, x: Tensor, filters: list[Filter]) -> Tensor:
        """Return `(N, 64 unblocked, h, w)` of `(N, 64 inputs, h, w)`."""
        features = self.rrdb(self.embed_slope(filtered(x, filters[0])))
        unblocked: Tensor = self.unblock_slope(filtered(features, filters[1]))
        return unblocked


def _per_frequency(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a 3x3 convolution over blocks with so many channels a frequency, which do not mix."""
    return nn.Conv2d(FREQUENCIES * inputs, FREQUENCIES * outputs, 3, padding=1, groups=FREQUENCIES)


class FrequencyNet(nn.Module):
    """Neighbouring blocks, each frequency for itself (the paper, figure 4)."""

    def __init__(self, *, channels: int, width: int, growth: int, blocks: int) -> None:
        super().__init__()
        self.enter = _per_frequency(channels, width)
        self.enter_slope = nn.PReLU()
        self.rrdb = Rrdb(width, growth, groups=FREQUENCIES, blocks=blocks)
        self.leave = _per_frequency(width, channels)
        self.leave_slope = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return `(N, 64 channels, h, w)` of the same."""
        left: Tensor = self.leave_slope(self.leave(self.rrdb(self.enter_slope(self.enter(x)))))
        return left


class LumaNet(nn.Module):
    """The paper's Y network: BlockNet, FrequencyNet, BlockNet, and the three results fused."""

    def __init__(
        self, *, manifold: int, rank: int, channels: int, growth: int, unblocked: int, frequency: int,
        frequency_growth: int, frequency_blocks: int, steps: int,
    ) -> None:  # fmt: skip
        super().__init__()
        block = {"channels": channels, "growth": growth, "unblocked": unblocked, "width": manifold, "rank": rank}
        self.first = BlockNet(1 + steps, **block)
        self.frequencies = FrequencyNet(
            channels=unblocked, width=frequency, growth=frequency_growth, blocks=frequency_blocks
        )
        self.second = BlockNet(unblocked, **block)
        self.fuse = _per_frequency(3 * unblocked, _FUSED)
        self.fuse_slope = nn.PReLU()
        self.leave = _per_frequency(_FUSED, 1)
        nn.init.normal_(self.leave.weight, std=0.01)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    @property
    def reach(self) -> int:
        """Blocks on each side of one that can change it."""
        return self.first.rrdb.reach + self.frequencies.rrdb.reach + self.second.rrdb.reach + 4

    def filters(self, table: Tensor) -> list[Filter]:
        """Return the filters of tables `(N, 64)`."""
        return [*self.first.filters(table), *self.second.filters(table)]

    def forward(self, x: Tensor, filters: list[Filter]) -> Tensor:
        """Return what is to be added, `(N, 64, h, w)`, of what `Qgac.seen` returns."""
        first = self.first(x, filters[:2])
        frequencies = self.frequencies(first)
        second = self.second(frequencies, filters[2:])
        fused: Tensor = self.fuse_slope(self.fuse(join([first, frequencies, second], FREQUENCIES)))
        left: Tensor = self.leave(fused)
        return left


class ColorNet(nn.Module):
    """The paper's color network, one for Cb and Cr: halved chroma, upsampled, beside the restored luma.

    Args:
        manifold: channels of the manifolds.
        rank: of the manifolds.
        color: features of a block of halved chroma, and of luma.
        color_growth: of the dense blocks over the first.
        guided_growth: of those over both.
        guided: features of both, `2 * color`.
        whole: 1 to look at chroma on luma's blocks, too; the paper does not.
    """

    def __init__(
        self, *, manifold: int, rank: int, color: int, color_growth: int, guided: int, guided_growth: int, whole: int,
        steps: int,
    ) -> None:  # fmt: skip
        super().__init__()
        if guided != 2 * color:
            raise TypeError(f"guided = {guided}, which is not twice color = {color}")
        code = {"width": manifold, "rank": rank}
        inputs = FREQUENCIES * (1 + steps)
        self.embed = ConvolutionalFilterManifold(color, inputs, biases=color, **code)
        self.embed_slope = nn.PReLU()
        self.rrdb = Rrdb(color, color_growth)
        self.upsample = nn.ConvTranspose2d(color, color, 4, stride=_HALF, padding=1)
        self.whole = ConvolutionalFilterManifold(color, inputs, biases=color, gain=1.0, **code) if whole else None
        self.upsample_slope = nn.PReLU()
        self.guide = ConvolutionalFilterManifold(color, inputs, biases=color, **code)
        self.guide_slope = nn.PReLU()
        self.guided = Rrdb(guided, guided_growth)
        self.unblock = ConvolutionalFilterManifold(FREQUENCIES, guided, biases=1, gain=0.01, **code)

    @property
    def reach(self) -> int:
        """Luma's blocks on each side of one of chroma that can change it."""
        return self.guided.reach + _HALF * (self.rrdb.reach + 1) + 1

    def filters(self, table: Tensor, luma: Tensor) -> list[Filter]:
        """Return the filters of chroma's and of luma's tables `(N, 64)`; luma's come first."""
        made = [self.guide(luma), self.embed(table), self.unblock(table)]
        return [*made, self.whole(table)] if self.whole is not None else made

    def forward(self, small: Tensor, large: Tensor, luma: Tensor, filters: list[Filter]) -> Tensor:
        """Return what is to be added to normalized coefficients of Cb and Cr on luma's blocks, `(2 N, 64, h, w)`.

        Args:
            small: normalized coefficients of halved chroma, `(2 N, 64, h / 2, w / 2)`, Cb and Cr in turn.
            large: those of chroma on luma's blocks, `(2 N, 64, h, w)`.
            luma: those of the restored luma, `(N, 64, h, w)`.
            filters: as `filters` makes them, chroma's for each of Cb and Cr.
        """
        up = self.upsample(self.rrdb(self.embed_slope(filtered(small, filters[1]))))
        if self.whole is not None:
            up = up + filtered(large, filters[3])
        guide = self.guide_slope(filtered(luma, filters[0]))
        guide = guide.repeat_interleave(2, 0)
        features = self.guided(torch.cat((self.upsample_slope(up), guide), 1))
        return filtered(features, filters[2])


class Qgac(nn.Module):
    """Restore level-shifted YCbCr planes `(N, 3, H, W)`, or gray ones `(N, 1, H, W)`; H and W multiples of 16.

    The output has the input's shape and unit and is neither rounded nor clipped. Gray planes go through the Y network
    alone. `part` says what runs in training: "luma" leaves chroma as it is, "color" computes luma without gradients,
    "all" everything. With `steps` it knows two things that the paper's does not: what it adds is counted in the file's
    own steps, and it sees how far blocks depart from their neighbours (docs/math.md, section 3).

    Args: see `LumaNet` and `ColorNet`; `PAPER` holds the paper's widths.
    """

    inputs = ("planes", "tables")
    parts = ("all", "luma", "color")

    def __init__(
        self, *, manifold: int = 32, rank: int = 8, channels: int = 96, growth: int = 32, unblocked: int = 8,
        frequency: int = 4, frequency_growth: int = 4, frequency_blocks: int = 1, color: int = 32,
        color_growth: int = 16, guided: int = 64, guided_growth: int = 32, whole: int = 1, steps: int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        self.luma = LumaNet(
            manifold=manifold, rank=rank, channels=channels, growth=growth, unblocked=unblocked, frequency=frequency,
            frequency_growth=frequency_growth, frequency_blocks=frequency_blocks, steps=steps,
        )  # fmt: skip
        self.color = ColorNet(
            manifold=manifold, rank=rank, color=color, color_growth=color_growth, guided=guided,
            guided_growth=guided_growth, whole=whole, steps=steps,
        )  # fmt: skip
        self.part, self.steps = "all", steps
        # Parameters, so that they travel with the weights; no optimizer moves them.
        self.mean = nn.Parameter(torch.zeros(2, FREQUENCIES), requires_grad=False)
        self.deviation = nn.Parameter(torch.ones(2, FREQUENCIES), requires_grad=False)

    def know(self, mean: Tensor, deviation: Tensor) -> None:
        """Take the statistics of luma's and chroma's coefficients, `(2, 64)`, by which they are normalized."""
        with torch.no_grad():
            self.mean.copy_(mean)
            self.deviation.copy_(deviation)

    @property
    def matrices(self) -> tuple[str, ...]:
        """Names of the parameters that Muon moves: the convolutions of the dense blocks that are not in groups."""
        inner = (name for name, module in self.named_modules() if isinstance(module, Convolution))
        return tuple(f"{name}.matrix" for name in inner)

    @property
    def multiple(self) -> int:
        """What heights and widths must be multiples of: halved chroma has whole blocks."""
        return _HALF * BLOCK

    @property
    def halo(self) -> int:
        """Samples on each side of an output sample that can change it, in whole positions of halved chroma."""
        blocks = max(self.luma.reach + self.color.guided.reach, self.color.reach)
        # The means over 3x3 blocks: of luma and of restored luma one block each, of halved chroma one twice as wide.
        blocks += _HALF * self.steps
        return -(-(blocks + 2) * BLOCK // self.multiple) * self.multiple

    @property
    def macs(self) -> int:
        """Multiply-adds for one sample position of a color picture; the filters' own, once a picture, not counted."""
        total = 0.0
        for name, module in self.named_modules():
            positions = 2 / (_HALF * BLOCK) ** 2 if name.startswith(("color.rrdb", "color.embed")) else 1 / BLOCK**2
            if name.startswith(("color.guided", "color.unblock", "color.whole", "color.upsample")):
                positions = 2 / BLOCK**2
            if isinstance(module, ConvolutionalFilterManifold):
                total += module.outputs * module.inputs * positions
            elif isinstance(module, Convolution):
                total += module.matrix.numel() * positions
            elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                total += module.weight.numel() * positions / (_HALF**2 if "upsample" in name else 1)
        # The transforms: luma there, back, and there again as a guide; chroma there at both sizes, and back.
        return int(total + FREQUENCIES * (3 + 2 * (2 + 1 / _HALF**2)))

    def merged(self) -> Qgac:
        """Return the network itself: nothing in it can be merged."""
        return self

    def filters(self, tables: Tensor) -> tuple[list[Filter], list[Filter]]:
        """Return the filters of the Y and of the color network for tables `(N, 2, 8, 8)`.

        Last in each list stand the units `(N, 64, 1)` that are no filter: the steps in which departures are counted,
        and what the network's results are multiplied by.
        """
        luma, chroma = tables.flatten(2).unbind(1)
        codes = code(luma), code(chroma)
        units = [(table[:, :, None], self._unit(table, kind)[:, :, None]) for kind, table in enumerate((luma, chroma))]
        return [*self.luma.filters(codes[0]), units[0]], [*self.color.filters(codes[1], codes[0]), units[1]]

    def _unit(self, table: Tensor, kind: int) -> Tensor:
        """Return the unit `(N, 64)` of what is to be added: no error is much larger than a step, or than the signal.

        On luma's blocks a coefficient of halved chroma is spread over several: the low steps' mean stands for all.
        """
        deviation = self.deviation[kind].expand_as(table)
        if not self.steps:
            return deviation
        if kind:
            table = table.reshape(-1, BLOCK, BLOCK)[:, :_LOW, :_LOW].mean((1, 2))[:, None]
        return torch.minimum(deviation, table)

    def seen(self, planes: Tensor, kind: int, units: Filter) -> Tensor:
        """Return what the network looks at, `(N, 64, h, w)` or `(N, 128, h, w)`, of planes `(N, 1, H, W)`.

        Normalized coefficients; and behind these, not beside each, how far each departs from its mean over 3x3 blocks,
        in steps, drawn together: the seam between two blocks is a thousandth of what their means may be.
        """
        found = coefficients(planes)
        normalized = (found - self.mean[kind][:, None, None]) / self.deviation[kind][:, None, None]
        if not self.steps:
            return normalized
        around = functional.avg_pool2d(found, 3, 1, padding=1, count_include_pad=False)
        return torch.cat((normalized, torch.asinh((found - around) / units[0][..., None])), 1)

    def restore_luma(self, luma: Tensor, filters: list[Filter]) -> Tensor:
        """Return the restored Y `(N, 1, H, W)`."""
        *made, units = filters
        change = self.luma(self.seen(luma, 0, units), made).float()
        return luma + samples(change * units[1][..., None])

    def restore_chroma(self, chroma: Tensor, luma: Tensor, filters: list[Filter], steps: Filter) -> Tensor:
        """Return the restored Cb and Cr, `(2 N, 1, H, W)`, in turn.

        Args:
            chroma: Cb and Cr as they are, in turn.
            luma: restored, `(N, 1, H, W)`.
            filters: of the tables, each of chroma's once for Cb and once for Cr.
            steps: luma's units.
        """
        *made, units = filters
        small, large = self.seen(undone(chroma, down=_HALF, across=_HALF), 1, units), self.seen(chroma, 1, units)
        change = self.color(small, large, self.seen(luma, 0, steps), made).float()
        return chroma + samples(change * units[1][..., None])

    def forward(self, planes: Tensor, tables: Tensor) -> Tensor:
        """Return the restored planes; `tables` are those of luma and chroma, `(N, 2, 8, 8)`."""
        of_luma, of_color = self.filters(tables)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.part != "color"):
            luma = self.restore_luma(planes[:, :1], of_luma)
        if planes.shape[1] == 1:
            return luma
        if self.part == "luma":
            return torch.cat((luma, planes[:, 1:]), 1)
        guide, *rest = of_color
        twice = [(matrix.repeat_interleave(2, 0), bias.repeat_interleave(2, 0)) for matrix, bias in rest]
        chroma = self.restore_chroma(planes[:, 1:].flatten(0, 1)[:, None], luma, [guide, *twice], of_luma[-1])
        return torch.cat((luma, chroma.view_as(planes[:, 1:])), 1)
