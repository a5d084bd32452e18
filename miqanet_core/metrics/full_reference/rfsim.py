"""RFSIM: similarity of Riesz-transform features at edges.

Zhang, Zhang, Mou: RFSIM: a feature based image quality assessment metric using Riesz transforms, ICIP 2010: D_i is the mean of
(2 f g + c) / (f^2 + g^2 + c) over the edges of either image, for the two first-order and three second-order Riesz coefficients
f and g, and RFSIM the product of the five.

Known disagreement: the paper's constant, its 5 x 5 kernels and Canny's thresholds are not reproduced. Here the transform is
exact, in the frequency domain; edges are where the smoothed gradient is among the strongest 30 % and stands out of rounding;
the constant is ours. No reference values are known.
"""

from __future__ import annotations

import torch
from torch import Tensor

from miqanet_core.metrics.building_blocks.filtering import gaussian_window, same
from miqanet_core.metrics.building_blocks.gradients import PREWITT, gradient_magnitude
from miqanet_core.metrics.building_blocks.pair import grey_levels, similarity

# In squared grey levels.
C = 4.0
EDGE_WINDOW, EDGE_SIGMA = 9, 2**0.5
EDGE_SHARE, LEAST_EDGE = 0.3, 1e-3


def _features(images: Tensor) -> Tensor:
    """The five Riesz coefficients (B, 5, H, W)."""
    rows, columns = images.shape[-2:]
    down = torch.fft.fftfreq(rows, dtype=images.dtype, device=images.device)[:, None]
    across = torch.fft.fftfreq(columns, dtype=images.dtype, device=images.device)[None]
    radius = torch.hypot(down, across)
    radius[0, 0] = 1
    x, y = -1j * across / radius, -1j * down / radius
    return torch.fft.ifft2(torch.fft.fft2(images) * torch.stack([x, y, x * x, x * y, y * y])).real


def _edges(images: Tensor) -> Tensor:
    """Where the edges are: bool (B, 1, H, W)."""
    smooth = same(images, gaussian_window(EDGE_WINDOW, EDGE_SIGMA, images), "replicate")
    strength = gradient_magnitude(smooth, PREWITT, "replicate")
    return strength >= strength.flatten(1).quantile(1 - EDGE_SHARE, 1)[:, None, None, None].clamp_min(LEAST_EDGE)


def rfsim(distorted: Tensor, reference: Tensor) -> Tensor:
    """RFSIM of grey images (B, 1, H, W) in 0..1 -> (B,), -1..1, higher is better, 1 for identical images; symmetric.

    NaN for two flat images, which have no edges.
    """
    distorted, reference = grey_levels(distorted, reference)
    edges = _edges(distorted) | _edges(reference)
    alike = similarity(_features(distorted), _features(reference), C) * edges
    return (alike.sum((2, 3)) / edges.sum((2, 3))).prod(1)
