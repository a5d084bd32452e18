"""GMSD: deviation of the local similarity of gradient magnitudes.

Xue, Zhang, Mou, Bovik: Gradient magnitude similarity deviation: a highly efficient perceptual image quality index, IEEE TIP 23,
2014.
"""

from __future__ import annotations

from torch import Tensor

from miqanet_core.metrics.building_blocks.filtering import shrunk
from miqanet_core.metrics.building_blocks.gradients import PREWITT, gradient_magnitude
from miqanet_core.metrics.building_blocks.pair import grey_levels

C = 170.0


def gradient_deviation(distorted: Tensor, reference: Tensor, masking: float = 0.0) -> Tensor:
    """Deviation of the gradient similarity of float64 images in 0..255 at their own scale: (B,).

    ``masking``: the part of the product of both gradients that is taken off above and below, as MS-GMSD does.
    """
    d, r = (gradient_magnitude(x, PREWITT) for x in (distorted, reference))
    shared = masking * d * r
    return ((2 * d * r + C - shared) / (d**2 + r**2 + C - shared)).flatten(1).std(1)


def gmsd(distorted: Tensor, reference: Tensor) -> Tensor:
    """GMSD of grey images (B, 1, H, W) in 0..1 -> (B,), 0 (identical) to about 0.5, lower is better; symmetric."""
    distorted, reference = grey_levels(distorted, reference)
    return gradient_deviation(shrunk(distorted, 2), shrunk(reference, 2))
