"""Training losses on level-shifted YCbCr planes `(N, 3, H, W)` in 8-bit steps."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from jpegfilter.compression.planes import mix, root
from jpegfilter.jpeg.color import RGB_FROM_YCBCR


def rgb_error(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the mean squared error of each sample of a batch, `(N,)`, over R, G and B normalized to [0, 1]."""
    difference = mix(restored.float() - clean, RGB_FROM_YCBCR) / 255
    return difference.square().mean((1, 2, 3))


_WINDOW = 8
"""Side of the windows of `similarity`."""
_STRIDE = 2
"""Rows and columns between two of them: a quarter of all is as good a mean."""
_SSIM_SHARE = 0.05
"""Weight of the similarity beside the absolute error (Ehrlich et al., ECCV 2020, 3.4)."""


def similarity(one: Tensor, other: Tensor) -> Tensor:
    """Return the mean structural similarity of planes `(N, C, H, W)` in 8-bit steps, over uniform 8x8 windows.

    Source: Wang, Bovik, Sheikh, Simoncelli, "Image Quality Assessment" (2004), III B, with K1 = 0.01 and K2 = 0.03;
    variances are means over the window's samples.
    """

    def mean(x: Tensor) -> Tensor:
        return functional.avg_pool2d(x, _WINDOW, _STRIDE)

    # Variances are differences of large numbers: less of the plane's own mean keeps them exact.
    level = other.mean((2, 3), keepdim=True)
    x, y = one - level, other - level
    mean_x, mean_y = mean(x), mean(y)
    variances = mean(x * x) - mean_x**2 + mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    mean_x, mean_y = mean_x + level + 128, mean_y + level + 128
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return (luminance * (2 * covariance + c2) / (variances + c2)).mean()


def _colors(planes: Tensor) -> Tensor:
    """Return R, G and B of Y, Cb and Cr; Y alone stays what it is."""
    return mix(planes, RGB_FROM_YCBCR) if planes.shape[1] > 1 else planes


def loss(name: str, restored: Tensor, clean: Tensor, *, part: str = "all") -> Tensor:
    """Return what training minimizes, one number: over R, G and B normalized to [0, 1].

    Args:
        name: "mse", the mean squared error; "l1", the mean absolute error; "root", the mean over the samples of a
            batch of the root of each one's mean squared error, which weighs high qualities more, as PSNR does;
            "l1-ssim", the mean absolute error less 0.05 times the structural similarity.
        part: "luma" looks at Y alone.
    """
    if part == "luma":
        restored, clean = restored[:, :1], clean[:, :1]
    difference = _colors(restored.float() - clean) / 255
    if name == "l1":
        return difference.abs().mean()
    if name == "l1-ssim":
        return difference.abs().mean() - _SSIM_SHARE * similarity(_colors(restored.float()), _colors(clean))
    error = difference.square().mean((1, 2, 3))
    return {"mse": error, "root": root(error)}[name].mean()
