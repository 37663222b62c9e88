"""What libjpeg does to a picture, in torch, on any device, for a whole batch at once.

The color conversion, the chroma averaging, the transform and the rounding are those of the IJG's compressor
(jccolor.c, jcsample.c, jfdctint.c, jcdctmgr.c), in the integers that it has: the coefficients are those of a real file.
See docs/math.md, section 6.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from jpegfilter.compression.planes import mix
from jpegfilter.jpeg import dct
from jpegfilter.jpeg.color import CENTRE, RGB_FROM_YCBCR
from jpegfilter.jpeg.sampling import FACTORS

_SHIFT = 16
"""Fraction bits of libjpeg's color conversion."""
_Y = (19595, 38470, 7471)
_CB = (-11059, -21709, 32768)
_CR = (32768, -27439, -5329)
_HALF = 1 << (_SHIFT - 1)
_CENTRE = 128 << _SHIFT


@dataclass(frozen=True, slots=True)
class Compressed:
    """A batch as a decoder sees it.

    Attributes:
        planes: decoded Y, Cb and Cr at the luma's resolution, `(N, 3, H, W)`, level-shifted, not rounded.
        coefficients: quantized integers of each component as floats, `(N, 64, h, w)`, channel `8 v + u`.
    """

    planes: Tensor
    coefficients: tuple[Tensor, ...]


def rgb_to_ycbcr(rgb: Tensor) -> Tensor:
    """Return 8-bit Y, Cb, Cr `(N, 3, H, W)` as int32 of 8-bit `rgb`, rounded as libjpeg's jccolor.c rounds."""
    red, green, blue = rgb.to(torch.int32).unbind(1)
    luma = (_Y[0] * red + _Y[1] * green + _Y[2] * blue + _HALF) >> _SHIFT
    cb = (_CB[0] * red + _CB[1] * green + _CB[2] * blue + _CENTRE + _HALF - 1) >> _SHIFT
    cr = (_CR[0] * red + _CR[1] * green + _CR[2] * blue + _CENTRE + _HALF - 1) >> _SHIFT
    return torch.stack((luma, cb, cr), 1)


def average_cells(plane: Tensor, *, down: int, across: int) -> Tensor:
    """Return int32 means over cells of `down` x `across` samples, rounded as libjpeg's jcsample.c rounds.

    Args:
        plane: `(N, H, W)` integers; H and W multiples of the cell.
    """
    if down == across == 1:
        return plane
    count, height, width = plane.shape
    cells = plane.reshape(count, height // down, down, width // across, across).sum((2, 4), dtype=torch.int32)
    column = torch.arange(width // across, device=plane.device, dtype=torch.int32) % 2
    if (down, across) == (1, 2):
        return (cells + column) >> 1
    if (down, across) == (2, 2):
        return (cells + column + 1) >> 2
    size = down * across
    return torch.div(cells + size // 2, size, rounding_mode="floor")


def _integer_basis() -> Tensor:
    """Return the 1-D transform of jfdctint.c before it scales its results down, `[frequency, sample]`, float64.

    Loeffler, Ligtenberg and Moschytz, "Practical fast 1-D DCT algorithms with 11 multiplications" (1989), figure 1, as
    a matrix: sums and differences of constants of 13 fraction bits, which are whole numbers.
    """

    def fixed(x: float) -> int:
        return round(x * (1 << _CONSTANT_BITS))

    low, lower, higher = fixed(0.541196100), fixed(0.765366865), fixed(1.847759065)
    all_four = fixed(1.175875602)
    outer, inner = -fixed(0.899976223), -fixed(2.562915447)
    even, odd = -fixed(1.961570560), -fixed(0.390180644)
    own = [fixed(x) for x in (0.298631336, 2.053119869, 3.072711026, 1.501321110)]
    one = 1 << _CONSTANT_BITS
    of_sums = [[one] * 4, [low + lower, low, -low, -low - lower], [one, -one, -one, one],
               [low, low - higher, higher - low, -low]]  # fmt: skip
    # Frequencies 7, 5, 3 and 1 of the differences 4, 5, 6 and 7: each its own constant, and what pairs share.
    of_differences = [
        [own[0] + outer + even + all_four, all_four, even + all_four, outer + all_four],
        [all_four, own[1] + inner + odd + all_four, inner + all_four, odd + all_four],
        [even + all_four, inner + all_four, own[2] + inner + even + all_four, all_four],
        [outer + all_four, odd + all_four, all_four, own[3] + outer + odd + all_four],
    ]
    basis = torch.zeros(dct.BLOCK, dct.BLOCK, dtype=torch.float64)
    for row, frequency in enumerate((0, 2, 4, 6)):
        for sample, weight in enumerate(of_sums[row]):
            basis[frequency, sample] = basis[frequency, 7 - sample] = weight
    for row, frequency in enumerate((7, 5, 3, 1)):
        for column, weight in enumerate(of_differences[row]):
            basis[frequency, 3 - column], basis[frequency, 4 + column] = weight, -weight
    return basis


_CONSTANT_BITS, _PASS_BITS = 13, 2
"""Fraction bits of jfdctint.c's constants, and of what its first pass hands to its second."""
_BASIS = _integer_basis()


def _descaled(x: Tensor, bits: int) -> Tensor:
    return torch.floor((x + 2.0 ** (bits - 1)) * 2.0**-bits)


def transform(planes: Tensor) -> Tensor:
    """Return the coefficients, times 8, that jfdctint.c computes, `(N, h, 8, w, 8)` as `[v, u]`, float64 whole numbers.

    Args:
        planes: 8-bit integers, `(N, H, W)`.
    """
    basis = _BASIS.to(planes.device)
    count, height, width = planes.shape
    blocks = (planes - 128).double().view(count, height // dct.BLOCK, dct.BLOCK, width // dct.BLOCK, dct.BLOCK)
    rows = _descaled(blocks @ basis.T, _CONSTANT_BITS - _PASS_BITS)
    return _descaled(torch.einsum("vy,nhywu->nhvwu", basis, rows), _CONSTANT_BITS + _PASS_BITS)


def _quantize(plane: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
    """Return coefficients `(N, 64, h, w)` and the decoded plane `(N, 1, H, W)`; `table` is `(N, 64)`."""
    scaled = transform(plane).permute(0, 2, 4, 1, 3).flatten(1, 2)
    steps = table.to(plane.device, torch.float64)[:, :, None, None]
    coefficients = (scaled.sign() * torch.floor((scaled.abs() + 4 * steps) / (8 * steps))).float()
    kernel = torch.as_tensor(dct.KERNEL, dtype=torch.float32, device=plane.device)
    decoded = torch.einsum("fs,nfhw->nshw", kernel, coefficients * steps.float())
    return coefficients, functional.pixel_shuffle(decoded, dct.BLOCK)


def compress(rgb: Tensor, luma: Tensor, chroma: Tensor, *, sampling: str) -> Compressed:
    """Return what a decoder makes of `rgb` after compression.

    Args:
        rgb: 8-bit `(N, 3, H, W)`; H and W multiples of the MCU (8 times the sampling's factors).
        luma: quantization tables of Y, `(N, 64)`.
        chroma: quantization tables of Cb and Cr, `(N, 64)`.
        sampling: a name from `jpeg.sampling.FACTORS`, or "gray": then there is one component, and Cb and Cr are 0.

    Returns:
        The planes, with chroma brought to the luma's resolution by linear interpolation as the pipeline does it.
    """
    luma_plane, *chroma_planes = rgb_to_ycbcr(rgb).unbind(1)
    size = luma_plane.shape[-2:]
    coefficients, decoded = _quantize(luma_plane, luma)
    if sampling == "gray":
        return Compressed(
            torch.cat((decoded, torch.zeros_like(decoded), torch.zeros_like(decoded)), 1), (coefficients,)
        )
    down, across = FACTORS[sampling]
    all_coefficients, planes = [coefficients], [decoded]
    for plane in chroma_planes:
        coefficients, decoded = _quantize(average_cells(plane, down=down, across=across), chroma)
        if decoded.shape[-2:] != size:
            decoded = functional.interpolate(decoded, size=size, mode="bilinear", align_corners=False)
        all_coefficients.append(coefficients)
        planes.append(decoded)
    return Compressed(torch.cat(planes, 1), tuple(all_coefficients))


def to_rgb(planes: Tensor) -> Tensor:
    """Return 8-bit RGB of level-shifted planes, as a decoder writes it."""
    return (mix(planes, RGB_FROM_YCBCR) + CENTRE).round().clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True, slots=True)
class Step:
    """One compression of a batch: tables of luma and chroma, `(N, 64)`, and the subsampling."""

    luma: Tensor
    chroma: Tensor
    sampling: str

    def __call__(self, rgb: Tensor) -> Tensor:
        """Return the decoded planes of 8-bit RGB."""
        return compress(rgb, self.luma, self.chroma, sampling=self.sampling).planes

    @property
    def tables(self) -> Tensor:
        """Both tables, `(N, 2, 8, 8)` float; a gray file has luma's alone, which stands for both."""
        chroma = self.luma if self.sampling == "gray" else self.chroma
        return torch.stack((self.luma, chroma), 1).float().reshape(-1, 2, 8, 8)
