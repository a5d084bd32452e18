"""CW-SSIM: structural similarity of complex wavelet coefficients, which small shifts hardly change.

Sampat, Wang, Gupta, Bovik, Markey: Complex wavelet structural similarity: a new image similarity index, IEEE TIP 18, 2009.
"""

from __future__ import annotations

import torch
from torch import Tensor

from miqanet_core.metrics.building_blocks.filtering import box, valid
from miqanet_core.metrics.building_blocks.pair import grey_levels
from miqanet_core.metrics.building_blocks.steerable_pyramid import complex_band

# The band of the pyramid that is looked at, four halvings down, in eight orientations.
LEVEL, ORIENTATIONS = 4, 8
WINDOW_SIDE = 7
TINY = 1e-12


def _centre_weight(similarity: Tensor) -> Tensor:
    """A Gaussian (h, w) that sums to 1; its sigma is a quarter of the band's rows."""
    rows, columns = similarity.shape[-2:]
    down = torch.arange(rows, dtype=similarity.dtype, device=similarity.device)[:, None] - (rows - 1) / 2
    across = torch.arange(columns, dtype=similarity.dtype, device=similarity.device) - (columns - 1) / 2
    weight = torch.exp(-(down**2 + across**2) / (2 * ((rows + WINDOW_SIDE - 1) / 4) ** 2))
    return weight / weight.sum()


def cw_ssim(distorted: Tensor, reference: Tensor) -> Tensor:
    """CW-SSIM of grey images (B, 1, H, W) in 0..1 -> (B,), 0..1, higher is better, 1 for identical images; symmetric.

    At least 64 x 64 pixels: four levels down a window of 7 must fit. NaN when both images have nothing in a window.
    """
    distorted, reference = grey_levels(distorted, reference)
    band_d, band_r = (complex_band(x, LEVEL, ORIENTATIONS) for x in (distorted, reference))
    window = box(WINDOW_SIDE, distorted)
    product = band_d * band_r.conj()
    correlation = (valid(product.real, window) ** 2 + valid(product.imag, window) ** 2 + TINY**2).sqrt()
    energy = valid(band_d.abs().square() + band_r.abs().square(), window)
    similarity = 2 * correlation / energy
    return (similarity * _centre_weight(similarity)).sum((2, 3)).mean(1)
