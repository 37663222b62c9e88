"""A photograph and what JPEG makes of it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data

Bytes = NDArray[np.uint8]


def compress(picture: Bytes, quality: int) -> Bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling=0)
    return np.asarray(Image.open(file))


@pytest.fixture(scope="session")
def photo() -> Bytes:
    """RGB; neither side a multiple of 8."""
    return np.ascontiguousarray(data.astronaut()[40:107, 180:270])


@pytest.fixture(scope="session")
def jpeg(photo: Bytes) -> Bytes:
    return compress(photo, 10)


@pytest.fixture(scope="session")
def large_photo() -> Bytes:
    """RGB, as large as MS-SSIM needs; both sides multiples of 16."""
    return np.ascontiguousarray(data.astronaut()[:176, 120:312])


@pytest.fixture(scope="session")
def large_jpeg(large_photo: Bytes) -> Bytes:
    return compress(large_photo, 10)


@pytest.fixture(scope="session")
def gray_photo() -> Bytes:
    return np.ascontiguousarray(data.camera()[96:163, 200:290])


@pytest.fixture(scope="session")
def gray_jpeg(gray_photo: Bytes) -> Bytes:
    return compress(gray_photo, 10)
