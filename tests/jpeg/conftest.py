"""Photographs, and one quantized component of a given geometry."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from jpegfilter.jpeg.image import Component

Bytes = NDArray[np.uint8]


@pytest.fixture(scope="session")
def photo() -> Bytes:
    """RGB, 129 rows of 65 samples: no side is a multiple of 8."""
    return np.ascontiguousarray(data.astronaut()[20:149, 190:255])


@pytest.fixture(scope="session")
def gray_photo() -> Bytes:
    """Of the same size."""
    return np.ascontiguousarray(data.camera()[60:189, 200:265])


@pytest.fixture(scope="session")
def component() -> Callable[..., Component]:
    """Return a maker of components without content: their table, factors and number of blocks are what counts."""

    def make(*, rows: int, columns: int, down: int = 1, across: int = 1, step: int = 12) -> Component:
        table = (np.add.outer(3 * np.arange(8), np.arange(8)) + step).astype(np.uint16)
        return Component(np.zeros((rows, columns, 8, 8), np.int16), table, down, across)

    return make
