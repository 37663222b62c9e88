"""A JPEG as what it is: quantized coefficients, tables and geometry, before anything is decoded."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from jpegfilter.jpeg.dct import BLOCK
from jpegfilter.jpeg.types import Coefficients, Table


class ColorModel(enum.Enum):
    """What the components stand for."""

    GRAY = "gray"
    YCBCR = "YCbCr"
    RGB = "RGB"
    CMYK = "CMYK"
    YCCK = "YCCK"

    @property
    def has_black(self) -> bool:
        """Whether a fourth component holds the black ink."""
        return self in (ColorModel.CMYK, ColorModel.YCCK)

    @property
    def is_luma_chroma(self) -> bool:
        """Whether the first components are Y, Cb and Cr."""
        return self in (ColorModel.YCBCR, ColorModel.YCCK)


@dataclass(frozen=True, slots=True)
class Component:
    """One component.

    Attributes:
        coefficients: quantized integers, `[block row, block column, v, u]`.
        table: quantization steps, `[v, u]`.
        down: image samples for one sample of this component, vertically.
        across: the same, horizontally.
    """

    coefficients: Coefficients
    table: Table
    down: int
    across: int


@dataclass(frozen=True, slots=True)
class JpegImage:
    """All that the coefficients of a file say.

    Attributes:
        width: image width in samples.
        height: image height in samples.
        model: what the components stand for.
        inverted: ink is stored as 255 - ink, as Adobe's programs do (CMYK and YCCK only).
        components: in the file's order.
    """

    width: int
    height: int
    model: ColorModel
    inverted: bool
    components: tuple[Component, ...]

    @property
    def mcu(self) -> tuple[int, int]:
        """Rows and columns of image samples that the coarsest component's block covers."""
        return (
            BLOCK * max(component.down for component in self.components),
            BLOCK * max(component.across for component in self.components),
        )

    @property
    def grid(self) -> tuple[int, int]:
        """Height and width rounded up to whole MCUs."""
        rows, columns = self.mcu
        return -(-self.height // rows) * rows, -(-self.width // columns) * columns
