"""DSS: similarity of the local deviation of DCT subbands.

Balanov, Schwartz, Moshe, Peleg: Image quality assessment based on DCT subband similarity, ICIP 2015.
"""

from __future__ import annotations

from math import exp

from torch import Tensor

from miqanet_core.metrics.building_blocks.dct import BLOCK, blocks, dct
from miqanet_core.metrics.building_blocks.filtering import gaussian_window, same
from miqanet_core.metrics.building_blocks.pair import grey_levels

# A subband weighs by a Gaussian over its frequency; those below LEAST_WEIGHT are left out.
WEIGHT_SIGMA, LEAST_WEIGHT = 1.55, 1e-2
WINDOW_SIDE, WINDOW_SIGMA = 3, 1.5
# Constants of the blocks' means and of the other subbands; the share of places, the worst ones, that is averaged.
C_MEANS, C_OTHERS, WORST = 1000.0, 300.0, 0.05


def _worst(local: Tensor) -> Tensor:
    """Mean (B,) of the lowest values of (B, 1, h, w)."""
    values = local.flatten(1)
    return values.sort(1).values[:, : max(1, round(WORST * values.shape[1]))].mean(1)


def _subband(distorted: Tensor, reference: Tensor, means: bool) -> Tensor:
    """Similarity (B,) of one subband (B, 1, h, w); of the blocks' ``means`` also how they correlate."""
    window = gaussian_window(WINDOW_SIDE, WINDOW_SIGMA, reference)
    mean_d, mean_r = same(distorted, window), same(reference, window)
    variance_d = (same(distorted**2, window) - mean_d**2).clamp_min(0)
    variance_r = (same(reference**2, window) - mean_r**2).clamp_min(0)
    # Under the root, so that its gradient is finite where nothing varies.
    deviations = (variance_d * variance_r + 1e-18).sqrt()
    constant = C_MEANS if means else C_OTHERS
    alike = _worst((2 * deviations + constant) / (variance_d + variance_r + constant))
    if not means:
        return alike
    covariance = same(distorted * reference, window) - mean_d * mean_r
    return alike * _worst((covariance + constant) / (deviations + constant))


def dss(distorted: Tensor, reference: Tensor) -> Tensor:
    """DSS of grey images (B, 1, H, W) in 0..1 -> (B,), about 0..1, higher is better, 1 for identical images; symmetric.

    What is left beyond whole blocks of 8 x 8 is not looked at. Agrees with piq, whose authors followed the paper's program.
    """
    d, r = (dct(blocks(x)) for x in grey_levels(distorted, reference))
    score: Tensor | float = 0.0
    total = 0.0
    for m in range(BLOCK):
        for n in range(BLOCK):
            weight = exp(-((m + 0.5) ** 2 + (n + 0.5) ** 2) / (2 * WEIGHT_SIGMA**2))
            if weight >= LEAST_WEIGHT:
                score = score + weight * _subband(d[:, None, :, :, m, n], r[:, None, :, :, m, n], means=m == n == 0)
                total += weight
    assert isinstance(score, Tensor)
    return score / total
