"""How far a network's own error reaches in each DCT coefficient, as its card says it (see `jpeg.bounds.trust`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from jpegfilter.compression.blocks import coefficients
from jpegfilter.compression.libjpeg import Step, compress
from jpegfilter.compression.planes import clean_planes
from jpegfilter.engines import views
from jpegfilter.jpeg import tables
from jpegfilter.jpeg.bounds import Doubt
from jpegfilter.jpeg.types import Floats, Table
from jpegfilter.networks import inputs_of
from jpegfilter.training.data import Photos
from jpegfilter.training.validation import central_crop, table_row

QUALITIES = (5, 10, 20, 30, 50, 70, 80, 85, 90, 95, 98, 100)
_SAMPLINGS = ("4:2:0", "4:4:4")
_CANDIDATES = np.concatenate(([0.0], np.geomspace(0.02, 40, 48))).astype(np.float32)
"""Standard deviations that are tried, in 8-bit steps."""
CAUGHT = (4.0, 8.0, 16.0, 24.0, 32.0, 48.0, 64.0)
"""What is tried for how heavily a block is doubted for estimates caught outside their intervals."""


def _coefficients(plane: Tensor, cell: int) -> Tensor:
    """Return the coefficients `(64, blocks)` of a plane `(H, W)` averaged over square cells."""
    return coefficients(functional.avg_pool2d(plane[None, None], cell))[0].flatten(1)


def _errors(estimate: Tensor, truth: Tensor, table: Tensor) -> Tensor:
    """Return the squared error left by each of `CAUGHT` and each candidate, `(caught, 64, candidates)`.

    That is what `jpeg.bounds.project` would leave.

    Args:
        estimate: what the network adds to the middle of each interval, `(64, blocks)`.
        truth: what it should have added.
        table: steps, `(64,)`.
    """
    half = table.float()[:, None] / 2
    outside = (estimate - estimate.clamp(-half, half)).square().mean(0)
    told = half.square() / 3

    def left(caught: float, candidate: float) -> Tensor:
        followed = estimate * (told / (told + candidate**2 + caught * outside))
        return (followed.clamp(-half, half) - truth).square().sum(1)

    return torch.stack([torch.stack([left(c, d) for d in _CANDIDATES.tolist()], 1) for c in CAUGHT])


@torch.no_grad()
def _restored(network: nn.Module, planes: Tensor, told: Tensor, count: int) -> Tensor:
    """Return the restored planes `(3, H, W)` of `(1, 3, H, W)`, the mean of `count` views, as the engine makes it."""

    def restore(seen: Floats, tables: Sequence[Table]) -> Floats:
        steps = torch.from_numpy(np.stack(tables))[None].float()
        restored: Floats = network(*inputs_of(network, planes=torch.from_numpy(seen)[None], tables=steps))[0].numpy()
        return restored

    luma, chroma = told[0].numpy().astype(np.uint16)
    return torch.from_numpy(np.ascontiguousarray(views.average(restore, planes[0].numpy(), (luma, chroma), count)))


def _picture_errors(network: nn.Module, image: Tensor, quality: int, sampling: str, count: int) -> NDArray[np.float64]:
    """Return `_errors` of luma and of chroma, `(2, caught, 64, candidates)`, and last, those of the plain decode."""
    rgb = central_crop(image)
    steps = [table_row(tables.LUMA, quality), table_row(tables.CHROMA, quality)]
    compressed = compress(rgb, *steps, sampling=sampling)
    told = Step(steps[0], steps[1], sampling).tables
    clean, restored = clean_planes(rgb)[0], _restored(network, compressed.planes, told, count)
    out = np.zeros((2, len(CAUGHT), 64, len(_CANDIDATES) + 1))
    for index in range(3):
        kind, cell = min(index, 1), 2 if index and sampling == "4:2:0" else 1
        middle = (compressed.coefficients[index] * steps[kind][:, :, None, None])[0].flatten(1)
        estimate = _coefficients(restored[index], cell) - middle
        truth = _coefficients(clean[index], cell) - middle
        plain = truth.square().sum(1)[:, None].expand(len(CAUGHT), -1, 1)
        out[kind] += torch.cat((_errors(estimate, truth, steps[kind][0]), plain), 2).double().numpy()
    return out


def doubt(network: nn.Module, photos: Photos, *, count: int = 1) -> Doubt:
    """Return the doubt that leaves the least error over all qualities.

    Args:
        network: as exported.
        photos: pictures it was not trained on.
        count: views whose results are averaged.

    Every quality counts alike: its error is measured against that of the plain decode.
    """
    total = np.zeros((2, len(CAUGHT), 64, len(_CANDIDATES)))
    for quality in QUALITIES:
        errors = sum(_picture_errors(network, image, quality, s, count) for image in photos.images for s in _SAMPLINGS)
        total += np.asarray(errors)[..., :-1] / np.asarray(errors)[:, 0, :, -1].sum()
    caught = int(total.min(-1).sum((0, 2)).argmin())
    deviation = _CANDIDATES[np.argmin(total[:, caught], axis=-1)].reshape(2, 8, 8)
    return Doubt(deviation.round(3), CAUGHT[caught])
