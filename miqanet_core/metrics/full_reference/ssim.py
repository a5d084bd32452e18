"""SSIM: structural similarity.

Wang, Bovik, Sheikh, Simoncelli: Image quality assessment: from error visibility to structural similarity, IEEE TIP 13, 2004.
"""

from __future__ import annotations

from torch import Tensor

from miqanet_core.metrics.building_blocks.filtering import smoothed
from miqanet_core.metrics.building_blocks.pair import grey_levels

WINDOW_SIDE, WINDOW_SIGMA = 11, 1.5
# (K L)^2 of the paper for 8 bits.
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def local_mean(images: Tensor) -> Tensor:
    """Means (B, C, H - 10, W - 10) under the window, where it lies wholly inside."""
    return smoothed(images, WINDOW_SIDE, WINDOW_SIGMA)


def luminance_and_structure(distorted: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """The two factors of local SSIM, of float64 images in 0..255: means, and contrast with structure."""
    mean_d, mean_r = local_mean(distorted), local_mean(reference)
    variance_d = local_mean(distorted**2) - mean_d**2
    variance_r = local_mean(reference**2) - mean_r**2
    covariance = local_mean(distorted * reference) - mean_d * mean_r
    luminance = (2 * mean_d * mean_r + C1) / (mean_d**2 + mean_r**2 + C1)
    return luminance, (2 * covariance + C2) / (variance_d + variance_r + C2)


def ssim(distorted: Tensor, reference: Tensor) -> Tensor:
    """SSIM of grey images (B, 1, H, W) in 0..1 -> (B,), -1..1, higher is better, 1 for identical images; symmetric.

    At the images' own size: the authors propose to shrink large ones first, but the published values are without.
    """
    distorted, reference = grey_levels(distorted, reference)
    luminance, structure = luminance_and_structure(distorted, reference)
    return (luminance * structure).mean((1, 2, 3))
