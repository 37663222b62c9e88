"""The one contract of all engines: planes and quantization tables in, planes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from jpegfilter.jpeg.bounds import Doubt
from jpegfilter.jpeg.types import Floats, Table


class Engine(Protocol):
    """Restores Y, Cb and Cr.

    Attributes:
        halo: samples around a tile; what lies farther off changes nothing of it that an 8-bit picture can show.
        multiple: heights and widths must be multiples of this.
        description: device and threads, for people.
        doubt: how far the result errs in each DCT coefficient of luma and of chroma (see `jpeg.bounds.trust`); None
            where nobody measured it.
    """

    halo: int
    multiple: int
    description: str
    doubt: Doubt | None

    def restore(self, planes: Floats, tables: Sequence[Table]) -> Floats:
        """Return the restored planes.

        Args:
            planes: `(3, H, W)` float32, level-shifted, in 8-bit steps, chroma at the luma's resolution; of a gray
                picture Y alone, `(1, H, W)`.
            tables: quantization tables of luma and chroma, `[v, u]`; engines that do not read tables ignore them.

        Returns:
            float32 of the same shape, neither rounded nor clipped.
        """
        ...
