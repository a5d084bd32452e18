"""FSIM: similarity of phase congruency and gradient magnitude, weighted by phase congruency.

Zhang, Zhang, Mou, Zhang: FSIM: a feature similarity index for image quality assessment, IEEE TIP 20, 2011.
"""

from __future__ import annotations

from torch import Tensor

from miqanet_core.metrics.building_blocks.colours import YIQ, mixed
from miqanet_core.metrics.building_blocks.filtering import shrunk, viewing_factor
from miqanet_core.metrics.building_blocks.gradients import SCHARR, gradient_magnitude
from miqanet_core.metrics.building_blocks.pair import grey_levels, real_power, similarity
from miqanet_core.metrics.building_blocks.phase_congruency import phase_congruency

T_PHASE, T_GRADIENT, T_CHROMA = 0.85, 160.0, 200.0
CHROMA_POWER = 0.03


def fsim(distorted: Tensor, reference: Tensor) -> Tensor:
    """FSIM of images (B, 3, H, W) in 0..1 -> (B,), 0..1, higher is better, 1 for identical images; symmetric.

    With chrominance (the paper's FSIMc), which is FSIM on grey images. Images shrink first, by round(shorter side / 256). NaN
    for two flat images.
    """
    distorted, reference = (mixed(x, YIQ) for x in grey_levels(distorted, reference))
    factor = viewing_factor(reference)
    distorted, reference = shrunk(distorted, factor), shrunk(reference, factor)
    phase_d, phase_r = phase_congruency(distorted[:, :1]), phase_congruency(reference[:, :1])
    gradient_d, gradient_r = (gradient_magnitude(x[:, :1], SCHARR) for x in (distorted, reference))
    alike = similarity(phase_d, phase_r, T_PHASE) * similarity(gradient_d, gradient_r, T_GRADIENT)
    chroma = similarity(distorted[:, 1:], reference[:, 1:], T_CHROMA).prod(1, keepdim=True)
    alike = alike * real_power(chroma, CHROMA_POWER)
    weight = phase_d.maximum(phase_r)
    return (alike * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3))
