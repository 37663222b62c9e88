"""Scores of a restored picture against its reference, in NumPy alone; and how far it agrees with its file."""

from __future__ import annotations

from collections.abc import Callable

from jpegfilter.metrics.channels import Samples
from jpegfilter.metrics.interval import share_inside
from jpegfilter.metrics.ms_ssim import ms_ssim
from jpegfilter.metrics.psnr import psnr
from jpegfilter.metrics.psnr_b import blocking_effect, psnr_b, psnr_b_luma
from jpegfilter.metrics.ssim import ssim, ssim_uniform

__all__ = [
    "METRICS",
    "blocking_effect",
    "ms_ssim",
    "psnr",
    "psnr_b",
    "psnr_b_luma",
    "share_inside",
    "ssim",
    "ssim_uniform",
]

METRICS: dict[str, Callable[[Samples, Samples], float]] = {
    "psnr": psnr,
    "psnr-b": psnr_b,
    "psnr-b-luma": psnr_b_luma,
    "ssim": ssim,
    "ssim-8": ssim_uniform,
    "ms-ssim": ms_ssim,
}
"""Functions of (restored, reference) by the name that reports print; larger is better for each."""
