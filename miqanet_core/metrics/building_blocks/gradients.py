"""Magnitude of the intensity gradient by 3 x 3 kernels."""

from __future__ import annotations

import torch
from torch import Tensor

from miqanet_core.metrics.building_blocks.filtering import Border, same

# How the three rows of a derivative along x are weighted; each sums to 1.
SCHARR = (3 / 16, 10 / 16, 3 / 16)
PREWITT = (1 / 3, 1 / 3, 1 / 3)
# Under the root, so that its gradient is finite on flat areas; far below one grey level.
LEAST_ENERGY = 1e-12


def gradient(images: Tensor, weights: tuple[float, float, float], border: Border = "zero") -> tuple[Tensor, Tensor]:
    """Derivatives of (B, C, H, W) along columns and along rows."""
    kernel = torch.outer(images.new_tensor(weights), images.new_tensor([1.0, 0.0, -1.0]))
    return same(images, kernel, border), same(images, kernel.t(), border)


def gradient_magnitude(images: Tensor, weights: tuple[float, float, float], border: Border = "zero") -> Tensor:
    """Length of the gradient of (B, C, H, W)."""
    across, down = gradient(images, weights, border)
    return (across**2 + down**2 + LEAST_ENERGY).sqrt()
