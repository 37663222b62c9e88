"""Scores on held-out images, always the same crops at the same qualities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from jpegfilter.compression.libjpeg import Step
from jpegfilter.compression.planes import clean_planes
from jpegfilter.jpeg import tables
from jpegfilter.jpeg.types import Table
from jpegfilter.networks import inputs_of
from jpegfilter.training import losses
from jpegfilter.training.data import Photos

QUALITIES = (10, 20, 30, 50, 75, 90)
_CROP = 256


def table_row(base: Table, quality: int) -> Tensor:
    """Return an IJG table as `compression.libjpeg.compress` takes it, `(1, 64)`."""
    return torch.from_numpy(tables.ijg_table(base, quality).astype("int64").reshape(1, 64))


def central_crop(image: Tensor, *, largest: int = _CROP) -> Tensor:
    """Return the middle of an image `(H, W, 3)` as a batch `(1, 3, S, S)`, S a multiple of the widest MCU."""
    side = min(largest // 32 * 32, image.shape[0] // 32 * 32, image.shape[1] // 32 * 32)
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    return image[top : top + side, left : left + side].permute(2, 0, 1)[None]


def _psnr(error: Tensor) -> float:
    return float(-10 * torch.log10(error))


@torch.no_grad()
def gains(
    network: nn.Module,
    weights: dict[str, Tensor],
    photos: Photos,
    *,
    device: torch.device,
    sampling: str = "4:2:0",
    qualities: Sequence[int] = QUALITIES,
) -> dict[int, tuple[float, float]]:
    """Return, by quality, the mean PSNR in dB of the decoded crops and the gain of the restored ones.

    Args:
        weights: parameters to use in the place of the network's own.
    """
    result = {}
    for quality in qualities:
        plain, restored = [], []
        for image in photos.images:
            rgb = central_crop(image).to(device)
            step = Step(table_row(tables.LUMA, quality), table_row(tables.CHROMA, quality), sampling)
            planes, clean = step(rgb), clean_planes(rgb)
            given = inputs_of(network, planes=planes, tables=step.tables.to(device))
            out = functional_call(network, weights, given)
            plain.append(_psnr(losses.rgb_error(planes, clean)))
            restored.append(_psnr(losses.rgb_error(out, clean)))
        before = sum(plain) / len(plain)
        result[quality] = (before, sum(restored) / len(restored) - before)
    return result


def validate(network: nn.Module, weights: dict[str, Tensor], photos: Photos, *, device: torch.device) -> str:
    """Return the gains of a network as one line for the log."""
    table = gains(network, weights, photos, device=device)
    return "  ".join(f"q{quality} {plain:.2f} {gain:+.3f}" for quality, (plain, gain) in table.items())
