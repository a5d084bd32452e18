"""Colour spaces; images (B, 3, H, W) of red, green and blue."""

from __future__ import annotations

import torch
from torch import Tensor

# Luminance and two opponent channels by name of their colour space, one a row.
YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))
LMN = ((0.06, 0.63, 0.27), (0.30, 0.04, -0.35), (0.34, -0.60, 0.17))
LHM = ((0.2989, 0.5870, 0.1140), (0.30, 0.04, -0.35), (0.34, -0.60, 0.17))
# CIE XYZ of linear sRGB, and the white that CIELAB is relative to (D50).
XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
WHITE = (0.9642, 1.0, 0.8251)


def mixed(images: Tensor, matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    """The channels mixed by the rows of a 3 x 3 matrix: (B, 3, H, W)."""
    return torch.einsum("ij,bjhw->bihw", images.new_tensor(matrix), images)


def lab(images: Tensor) -> Tensor:
    """CIELAB of sRGB images in 0..1: L in 0..100, a and b; (B, 3, H, W)."""
    linear = torch.where(images <= 0.04045, images / 12.92, ((images.clamp_min(0) + 0.055) / 1.055) ** 2.4)
    relative = mixed(linear, XYZ) / images.new_tensor(WHITE)[:, None, None]
    x, y, z = torch.where(relative > 0.008856, relative.clamp_min(0.008856) ** (1 / 3), (903.3 * relative + 16) / 116).unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)
