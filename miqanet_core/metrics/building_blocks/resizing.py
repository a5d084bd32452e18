"""Resizing as MATLAB's imresize: with antialiasing where the image shrinks, borders mirrored with the edge repeated."""

from __future__ import annotations

from math import ceil

import torch
from torch import Tensor


def _bilinear(distance: Tensor) -> Tensor:
    return (1 - distance.abs()).clamp_min(0)


def _bicubic(distance: Tensor) -> Tensor:
    x = distance.abs()
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x <= 1, near, torch.where(x <= 2, far, 0))


def _weights(length: int, wanted: int, cubic: bool, like: Tensor) -> Tensor:
    """(wanted, length): how much each old pixel counts for each new one."""
    scale = wanted / length
    stretch = min(scale, 1.0)
    reach = (4 if cubic else 2) / stretch
    place = (torch.arange(wanted, dtype=torch.float64) + 0.5) / scale - 0.5
    first = torch.floor(place - reach / 2).long()
    index = first[:, None] + torch.arange(ceil(reach) + 2)
    weight = (_bicubic if cubic else _bilinear)((place[:, None] - index) * stretch)
    weight = weight / weight.sum(1, keepdim=True)
    folded = index % (2 * length)
    folded = torch.where(folded < length, folded, 2 * length - 1 - folded)
    return torch.zeros(wanted, length, dtype=torch.float64).scatter_add_(1, folded, weight).to(like)


def resized(images: Tensor, rows: int, columns: int, cubic: bool = False) -> Tensor:
    """Images (B, C, H, W) at rows x columns, bilinear or bicubic."""
    down = _weights(images.shape[-2], rows, cubic, images)
    across = _weights(images.shape[-1], columns, cubic, images)
    return down @ images @ across.t()
