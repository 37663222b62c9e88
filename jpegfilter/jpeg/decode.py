"""Dequantization and inverse transform in float, unrounded and unclipped, for any region of an image."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from jpegfilter.jpeg import dct, sampling
from jpegfilter.jpeg.image import Component, JpegImage
from jpegfilter.jpeg.types import Floats


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of image samples: rows `top` to `bottom`, columns `left` to `right`, ends excluded."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left


def whole(image: JpegImage) -> Region:
    """Return the region of the whole MCU grid."""
    return Region(0, 0, *image.grid)


def cut(component: Component, region: Region) -> Component:
    """Return the component's blocks in a region whose edges are multiples of the MCU.

    A component may have fewer blocks than the grid (T.81, A.2.4: only the last MCUs' padding is missing); then the
    result has fewer, too.
    """
    rows, columns = dct.BLOCK * component.down, dct.BLOCK * component.across
    blocks = component.coefficients[
        region.top // rows : region.bottom // rows, region.left // columns : region.right // columns
    ]
    return dataclasses.replace(component, coefficients=blocks)


def samples(component: Component) -> Floats:
    """Return the component decoded at its own resolution, level-shifted, float32, not rounded, not clipped."""
    return dct.inverse(component.coefficients.astype(np.float32) * component.table.astype(np.float32))


def planes(image: JpegImage, region: Region) -> Floats:
    """Return every component of a region at the image's resolution, `(C, H, W)`, level-shifted, float32.

    Subsampled components are brought up by linear interpolation, within the region: samples near an edge of the region
    that is not the image's want the region widened by one cell.

    Args:
        region: edges are multiples of the MCU, inside the grid.
    """
    out = np.empty((len(image.components), region.height, region.width), np.float32)
    for plane, component in zip(out, image.components, strict=True):
        small = samples(cut(component, region))
        small = sampling.hold_edges(small, region.height // component.down, region.width // component.across)
        plane[:] = sampling.upsample(small, down=component.down, across=component.across)
    return out
