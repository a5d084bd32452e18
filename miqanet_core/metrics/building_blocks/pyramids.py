"""Gaussian and Laplacian pyramids.

Burt, Adelson: The Laplacian pyramid as a compact image code, IEEE Trans. Communications 31, 1983.
"""

from __future__ import annotations

import torch
from torch import Tensor

from miqanet_core.metrics.building_blocks.filtering import Border, padded, same

# Burt and Adelson's weights with a = 0.4.
WEIGHTS = (0.05, 0.25, 0.4, 0.25, 0.05)


def _smoothed(images: Tensor, border: Border) -> Tensor:
    row = images.new_tensor(WEIGHTS)
    return same(images, torch.outer(row, row), border)


def reduced(images: Tensor) -> Tensor:
    """Every second pixel, from the first, of the smoothed images (B, C, H, W)."""
    return _smoothed(images, "symmetric")[..., ::2, ::2]


def expanded(images: Tensor, rows: int, columns: int) -> Tensor:
    """Images (B, C, h, w), their edges repeated, between whose pixels zeros are set, smoothed: (B, C, rows, columns)."""
    images = padded(images, (1, 1), (1, 1), "replicate")
    spread = images.new_zeros(*images.shape[:-2], 2 * images.shape[-2], 2 * images.shape[-1])
    spread[..., ::2, ::2] = 4 * images
    return _smoothed(spread, "zero")[..., 2 : 2 + rows, 2 : 2 + columns]


def laplacian_pyramid(images: Tensor, levels: int) -> list[Tensor]:
    """``levels`` - 1 differences between scales, the finest first, and what is left as the last."""
    bands = []
    for _ in range(levels - 1):
        smaller = reduced(images)
        bands.append(images - expanded(smaller, *images.shape[-2:]))
        images = smaller
    return [*bands, images]
