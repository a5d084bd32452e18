"""The biorthogonal 9/7 wavelet transform.

Cohen, Daubechies, Feauveau: Biorthogonal bases of compactly supported wavelets, Comm. Pure Appl. Math. 45, 1992; scaled so that
the lowpass doubles a constant image.
"""

from __future__ import annotations

from math import sqrt

from torch import Tensor
from torch.nn import functional as F

from miqanet_core.metrics.building_blocks.filtering import padded

# From the middle outwards.
LOW = (0.602949018236, 0.266864118443, -0.078223266529, -0.016864118443, 0.026748757411)
HIGH = (1.115087052457, -0.591271763114, -0.057543526229, 0.091271763114)


def _taps(half: tuple[float, ...], scale: float, like: Tensor) -> Tensor:
    return like.new_tensor([*reversed(half[1:]), *half]) * scale


def _half(images: Tensor, taps: Tensor, axis: int, first: int) -> Tensor:
    """Every second sample, from ``first``, of the images filtered along rows (-2) or columns (-1), borders reflected."""
    reach = len(taps) // 2
    size = (reach, 0) if axis == -2 else (0, reach)
    kernel = taps.view(1, 1, -1, 1) if axis == -2 else taps.view(1, 1, 1, -1)
    filtered = F.conv2d(padded(images, size, size, "reflect"), kernel)
    return filtered[..., first::2, :] if axis == -2 else filtered[..., first::2]


def wavelet_bands(images: Tensor, levels: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Vertical, horizontal and diagonal details (B, 1, h, w) of each level of (B, 1, H, W), the finest first."""
    low, high = _taps(LOW, sqrt(2), images), _taps(HIGH, 1 / sqrt(2), images)
    bands = []
    for _ in range(levels):
        smooth, detail = _half(images, low, -1, 0), _half(images, high, -1, 1)
        bands.append((_half(smooth, high, -2, 1), _half(detail, low, -2, 0), _half(detail, high, -2, 1)))
        images = _half(smooth, low, -2, 0)
    return bands
