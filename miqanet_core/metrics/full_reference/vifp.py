"""VIFp: visual information fidelity in the pixel domain, at four scales.

Sheikh, Bovik: Image information and visual quality, IEEE TIP 15, 2006; the authors' simpler and faster program "vifp_mscale".
"""

from __future__ import annotations

import torch
from torch import Tensor

from miqanet_core.metrics.building_blocks.filtering import smoothed
from miqanet_core.metrics.building_blocks.pair import grey_levels

# Sides of the Gaussian windows, scale by scale; sigma is a fifth.
WINDOWS = (17, 9, 5, 3)
# The noise of the eye.
NOISE = 2.0
TINY = 1e-10


def vifp(distorted: Tensor, reference: Tensor) -> Tensor:
    """VIFp of grey images (B, 1, H, W) in 0..1 -> (B,), 0 or more, higher is better, 1 for identical images.

    At least 41 x 41 pixels. NaN for a flat reference. piq and torchmetrics compute this one.
    """
    distorted, reference = grey_levels(distorted, reference)
    kept: Tensor | float = 0.0
    had: Tensor | float = 0.0
    for scale, side in enumerate(WINDOWS):

        def mean(image: Tensor, side: int = side) -> Tensor:
            return smoothed(image, side, side / 5)

        if scale:
            distorted, reference = mean(distorted)[..., ::2, ::2], mean(reference)[..., ::2, ::2]
        mean_d, mean_r = mean(distorted), mean(reference)
        energy_d = (mean(distorted**2) - mean_d**2).clamp_min(0)
        energy_r = (mean(reference**2) - mean_r**2).clamp_min(0)
        covariance = mean(distorted * reference) - mean_d * mean_r
        gain = covariance / (energy_r + TINY)
        noise = energy_d - gain * covariance
        silent_r, silent_d = energy_r < TINY, energy_d < TINY
        gain, noise = torch.where(silent_r, 0, gain), torch.where(silent_r, energy_d, noise)
        energy_r = torch.where(silent_r, 0, energy_r)
        gain, noise = torch.where(silent_d, 0, gain), torch.where(silent_d, 0, noise)
        noise = torch.where(gain < 0, energy_d, noise).clamp_min(TINY)
        gain = gain.clamp_min(0)
        kept = kept + torch.log10(1 + gain**2 * energy_r / (noise + NOISE)).sum((1, 2, 3))
        had = had + torch.log10(1 + energy_r / NOISE).sum((1, 2, 3))
    assert isinstance(kept, Tensor)
    return kept / had
