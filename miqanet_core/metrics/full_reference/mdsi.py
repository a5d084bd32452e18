"""MDSI: mean deviation of the similarity of gradients and chromaticity.

Ziaei Nafchi, Shahkolaei, Hedjam, Cheriet: Mean deviation similarity index: efficient and reliable full-reference image quality
evaluator, IEEE Access 4, 2016; with the sum that the authors' program combines the two maps by.
"""

from __future__ import annotations

from torch import Tensor

from miqanet_core.metrics.building_blocks.colours import LHM, mixed
from miqanet_core.metrics.building_blocks.filtering import shrunk, viewing_factor
from miqanet_core.metrics.building_blocks.gradients import PREWITT, gradient_magnitude
from miqanet_core.metrics.building_blocks.pair import grey_levels, similarity

C1, C2, C3 = 140.0, 55.0, 550.0
GRADIENT_SHARE, POWER = 0.6, 0.25


def mdsi(distorted: Tensor, reference: Tensor) -> Tensor:
    """MDSI of images (B, 3, H, W) in 0..1 -> (B,), 0 (identical) or more, lower is better.

    Images shrink first, by round(shorter side / 256). On grey images the chromaticity says nothing.
    """
    distorted, reference = grey_levels(distorted, reference)
    factor = viewing_factor(reference)
    distorted, reference = (mixed(shrunk(x, factor), LHM) for x in (distorted, reference))
    fused = (distorted[:, :1] + reference[:, :1]) / 2
    gradient_d, gradient_r, gradient_f = (gradient_magnitude(x, PREWITT) for x in (distorted[:, :1], reference[:, :1], fused))
    gradients = similarity(gradient_d, gradient_r, C1)
    gradients = gradients + similarity(gradient_d, gradient_f, C2) - similarity(gradient_r, gradient_f, C2)
    numerator = 2 * (distorted[:, 1:] * reference[:, 1:]).sum(1, keepdim=True) + C3
    chroma = numerator / ((distorted[:, 1:] ** 2 + reference[:, 1:] ** 2).sum(1, keepdim=True) + C3)
    # The authors take complex fourth roots of what is negative; its size is what the deviation is about.
    combined = (GRADIENT_SHARE * gradients + (1 - GRADIENT_SHARE) * chroma).clamp_min(0) + 1e-12
    rooted = combined**POWER
    deviation = (rooted - rooted.mean((1, 2, 3), keepdim=True)).abs().mean((1, 2, 3))
    return (deviation + 1e-24) ** POWER
