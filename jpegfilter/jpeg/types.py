"""Array types that the rooms share."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]
Coefficients: TypeAlias = NDArray[np.int16]
Table: TypeAlias = NDArray[np.uint16]
Pixels: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]
