"""PSIM: similarity of gradients at a fine and a coarse scale, and of chroma.

Gu, Li, Lu, Zhou, Chen, Lin: A fast reliable image quality predictor by fusing micro- and macro-structures, IEEE Trans.
Industrial Electronics 64, 2017: gradient similarity at two scales, weighted by the structure, and chroma similarity.

Known disagreement: rebuilt from the paper's outline, without its fitted constants: the gradients' constant is GMSD's, chroma's
FSIM's; the fine scale is the image, the coarse one a quarter of it; places weigh by the stronger gradient. No reference values
are known.
"""

from __future__ import annotations

from torch import Tensor

from miqanet_core.metrics.building_blocks.colours import YIQ, mixed
from miqanet_core.metrics.building_blocks.filtering import shrunk
from miqanet_core.metrics.building_blocks.gradients import PREWITT, gradient_magnitude
from miqanet_core.metrics.building_blocks.pair import grey_levels, real_power, similarity

T_GRADIENT, T_CHROMA = 170.0, 200.0
COARSE, CHROMA_POWER = 4, 0.03


def _structure(distorted: Tensor, reference: Tensor) -> Tensor:
    """Gradient similarity (B,) of luminances, weighted by the stronger gradient."""
    gradient_d, gradient_r = gradient_magnitude(distorted, PREWITT), gradient_magnitude(reference, PREWITT)
    weight = gradient_d.maximum(gradient_r)
    return (similarity(gradient_d, gradient_r, T_GRADIENT) * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3))


def psim(distorted: Tensor, reference: Tensor) -> Tensor:
    """PSIM of images (B, 3, H, W) in 0..1 -> (B,), 0..1, higher is better, 1 for identical images; symmetric."""
    distorted, reference = (mixed(x, YIQ) for x in grey_levels(distorted, reference))
    fine = _structure(distorted[:, :1], reference[:, :1])
    coarse = _structure(*(shrunk(x[:, :1], COARSE, "symmetric") for x in (distorted, reference)))
    chroma = real_power(similarity(distorted[:, 1:], reference[:, 1:], T_CHROMA).prod(1), CHROMA_POWER).mean((1, 2))
    return fine * coarse * chroma
