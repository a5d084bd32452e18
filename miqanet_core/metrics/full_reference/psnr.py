"""PSNR: peak signal-to-noise ratio.

The textbook's definition, with the largest possible value as the peak.
"""

from __future__ import annotations

from torch import Tensor

from miqanet_core.metrics.building_blocks.pair import grey_levels


def psnr(distorted: Tensor, reference: Tensor) -> Tensor:
    """PSNR in dB of grey images (B, 1, H, W) in 0..1 -> (B,), 0 or more, higher is better; infinite for identical images."""
    distorted, reference = grey_levels(distorted, reference)
    return -10 * ((distorted - reference) / 255).square().mean((1, 2, 3)).log10()
