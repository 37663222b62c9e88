"""A folder of small photographs, and recipes for minutes of a second."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from jpegfilter.training.recipe import Recipe, from_dict


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """RGB, 96 rows of 128 samples: whole MCUs at every sampling."""
    return np.ascontiguousarray(data.astronaut()[20:116, 160:288])


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Thirty photographs of 40 rows of 48 samples as PNG, named 00.png to 29.png."""
    path = tmp_path_factory.mktemp("photos")
    whole = data.chelsea()
    for number in range(30):
        top, left = 40 * (number // 6), 48 * (number % 6)
        Image.fromarray(whole[top : top + 40, left : left + 48]).save(path / f"{number:02}.png")
    return path


@pytest.fixture(scope="session")
def recipe() -> Callable[..., Recipe]:
    """Return a maker of recipes with a network of few weights, on patches of 32."""

    def make(**changes: object) -> Recipe:
        values = {
            "network": "fast-arcnn",
            "widths": {"width": 8, "shrunk": 4, "narrow": 4},
            "patch": 32,
            "batch": 2,
            "phases": [{"rate": 1e-3, "patches": 8}, {"rate": 1e-4, "patches": 4}],
            "samplings": {"4:2:0": 0.5, "4:4:4": 0.3, "gray": 0.2},
            "validation_share": 0.2,
            "seed": 5,
        }
        return from_dict(values | changes)

    return make
