"""Correlation with small kernels, with the borders that the authors' MATLAB programs have."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

# "zero": conv2(..., 'same'). "symmetric": the edge pixel is repeated, as imfilter(..., 'symmetric'). "reflect": it is not.
Border = Literal["zero", "symmetric", "reflect", "replicate"]


def gaussian_window(side: int, sigma: float, like: Tensor) -> Tensor:
    """A Gaussian (side, side) that sums to 1, as MATLAB's fspecial; of the type and on the device of ``like``."""
    offset = torch.arange(side, dtype=like.dtype, device=like.device) - (side - 1) / 2
    window = torch.exp(-(offset**2) / (2 * sigma**2))
    return torch.outer(window, window) / window.sum() ** 2


def _symmetric(length: int, before: int, after: int, device: torch.device) -> Tensor:
    """Indices that continue 0..length-1 by mirroring with the edge repeated."""
    index = torch.arange(-before, length + after, device=device) % (2 * length)
    return torch.where(index < length, index, 2 * length - 1 - index)


def padded(images: Tensor, before: tuple[int, int], after: tuple[int, int], border: Border) -> Tensor:
    """Images (B, C, H, W) continued by (rows, columns) ``before`` and ``after`` them."""
    if border == "symmetric":
        rows = _symmetric(images.shape[-2], before[0], after[0], images.device)
        columns = _symmetric(images.shape[-1], before[1], after[1], images.device)
        return images[..., rows, :][..., columns]
    return F.pad(images, (before[1], after[1], before[0], after[0]), mode="constant" if border == "zero" else border)


def valid(images: Tensor, kernel: Tensor) -> Tensor:
    """Correlation of each channel of (B, C, H, W) with a kernel (h, w), where it lies wholly inside."""
    channels = images.shape[1]
    weight = kernel.to(images)[None, None].expand(channels, 1, -1, -1)
    return F.conv2d(images, weight, groups=channels)


def same(images: Tensor, kernel: Tensor, border: Border = "zero") -> Tensor:
    """Correlation of each channel with a kernel (h, w), of the images' size; even kernels reach further down and right."""
    rows, columns = kernel.shape
    before, after = ((rows - 1) // 2, (columns - 1) // 2), (rows // 2, columns // 2)
    return valid(padded(images, before, after, border), kernel)


def smoothed(images: Tensor, side: int, sigma: float) -> Tensor:
    """Images (B, C, H, W) smoothed by a Gaussian window, where it lies wholly inside."""
    window = gaussian_window(side, sigma, images).sum(0, keepdim=True)
    return valid(valid(images, window), window.t())


def box(side: int, like: Tensor) -> Tensor:
    """The mean over side x side pixels, as a kernel."""
    return torch.full((side, side), 1 / side**2, dtype=like.dtype, device=like.device)


def shrunk(images: Tensor, factor: int, border: Border = "zero") -> Tensor:
    """Every ``factor``-th pixel of the images (B, C, H, W), each the mean over factor x factor."""
    return same(images, box(factor, images), border)[..., ::factor, ::factor] if factor > 1 else images


def viewing_factor(images: Tensor) -> int:
    """By how much images shrink so that their shorter side is about 256 pixels: round(side / 256), 1 at least."""
    # MATLAB rounds halves up.
    return max(1, int(min(images.shape[-2:]) / 256 + 0.5))
