"""Steerable pyramids: oriented bands, one octave each.

Simoncelli, Freeman: The steerable pyramid: a flexible architecture for multi-scale derivative computation, ICIP 1995. By small
kernels as VIF's and IFC's authors use it, and in the frequency domain with complex bands as CW-SSIM's do.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from math import factorial, pi, sqrt

import torch
from safetensors.torch import load
from torch import Tensor
from torch.nn import functional as F

from miqanet_core.metrics.building_blocks.filtering import padded


@cache
def _kernels() -> dict[str, Tensor]:
    """The kernels "sp5Filters" of six orientations. Their origin and licence stand in ``steerable_sp5.txt`` beside them."""
    return load(files("miqanet_core.metrics.building_blocks").joinpath("steerable_sp5.safetensors").read_bytes())


def _correlated(images: Tensor, kernels: Tensor, stride: int = 1) -> Tensor:
    """Images (B, 1, H, W) with kernels (K, side, side), borders reflected: (B, K, H / stride, W / stride)."""
    reach = kernels.shape[-1] // 2
    return F.conv2d(padded(images, (reach, reach), (reach, reach), "reflect"), kernels.to(images)[:, None], stride=stride)


def spatial_bands(images: Tensor, levels: int) -> list[Tensor]:
    """Six oriented bands (B, 6, h, w) a level of images (B, 1, H, W), the finest first; each level half the size."""
    kernels = _kernels()
    low = _correlated(images, kernels["first_lowpass"][None])
    bands = []
    for level in range(levels):
        bands.append(_correlated(low, kernels["bands"]))
        if level < levels - 1:
            low = _correlated(low, kernels["lowpass"][None], stride=2)
    return bands


def _rise(octave: Tensor, centre: float) -> Tensor:
    """From 0 to 1 over one octave about ``centre``; with the falling cosine its squares sum to 1."""
    return torch.cos((octave - centre).clamp(-0.5, 0.5) * pi / 2 - pi / 4)


def _centre(length: int) -> int:
    """Where fftshift puts the mean."""
    return length // 2


def complex_band(images: Tensor, level: int, orientations: int) -> Tensor:
    """The analytic oriented bands (B, orientations, h, w), complex, of one level (1 is the finest) of images (B, 1, H, W)."""
    spectrum = torch.fft.fftshift(torch.fft.fft2(images), dim=(-2, -1))
    rows, columns = images.shape[-2:]
    down = (torch.arange(rows, dtype=images.dtype, device=images.device)[:, None] - _centre(rows)) / (rows / 2)
    across = (torch.arange(columns, dtype=images.dtype, device=images.device) - _centre(columns)) / (columns / 2)
    radius = torch.hypot(down, across)
    radius[_centre(rows), _centre(columns)] = radius[_centre(rows), _centre(columns) - 1]
    octave = radius.log2()
    angle = torch.atan2(down.expand(rows, columns), across.expand(rows, columns))

    def falling(centre: float) -> Tensor:
        return (1 - _rise(octave, centre) ** 2).clamp_min(0).sqrt()

    spectrum = spectrum * falling(-0.5)
    for step in range(1, level):
        lengths = [(length + 1) // 2 for length in spectrum.shape[-2:]]
        for axis, length in zip((-2, -1), lengths, strict=True):
            start = _centre(spectrum.shape[axis]) - _centre(length)
            spectrum = spectrum.narrow(axis, start, length)
            octave, angle = octave.narrow(axis, start, length), angle.narrow(axis, start, length)
        spectrum = spectrum * falling(-0.5 - step)
    order = orientations - 1
    scale = 2 * sqrt(4**order * factorial(order) ** 2 / (orientations * factorial(2 * order)))
    shell = spectrum * _rise(octave, -0.5 - level)
    bands = []
    for k in range(orientations):
        away = torch.remainder(angle - pi * k / orientations + pi, 2 * pi) - pi
        lobe = torch.where(away.abs() < pi / 2, torch.cos(away), 0) ** order * scale
        bands.append(torch.fft.ifft2(torch.fft.ifftshift(shell * lobe, dim=(-2, -1))))
    # The authors' constant factor of i^order turns all bands alike and cancels in comparisons.
    return torch.cat(bands, 1)
