"""PSNR-HVS-M: PSNR-HVS without what the contrast of a block masks.

Ponomarenko, Silvestri, Egiazarian, Carli, Astola, Lukin: On between-coefficient contrast masking of DCT basis functions, VPQM
2007; as in the authors' program "psnrhvsm".
"""

from __future__ import annotations

import torch
from torch import Tensor

from miqanet_core.metrics.building_blocks.dct import BLOCK, JPEG_LUMINANCE, blocks, dct
from miqanet_core.metrics.building_blocks.pair import grey_levels
from miqanet_core.metrics.full_reference.psnr_hvs import weighted_psnr

# The authors' table of how much a coefficient masks is (this over JPEG's quantisation step) squared.
MASKING = 10.0
NORMALISER = 32.0


def _scatter(pixels: Tensor) -> Tensor:
    """Sum of squared deviations times n / (n - 1) of (..., h, w): the authors' "vari"."""
    count = pixels.shape[-2] * pixels.shape[-1]
    return pixels.flatten(-2).var(-1) * count


def _masking(pixels: Tensor, coefficients: Tensor) -> Tensor:
    """How much error each block (..., 8, 8) hides: less where its texture is in one of its quarters."""
    weights = (MASKING / coefficients.new_tensor(JPEG_LUMINANCE)) ** 2
    weights[0, 0] = 0
    energy = (coefficients**2 * weights).sum((-2, -1))
    whole = _scatter(pixels)
    half = BLOCK // 2
    quarters = sum(_scatter(pixels[..., i : i + half, j : j + half]) for i in (0, half) for j in (0, half))
    share = torch.where(whole > 0, quarters / torch.where(whole > 0, whole, 1), 0)
    # Under the root, so that its gradient is finite for flat blocks.
    return (energy * share + 1e-24).sqrt() / NORMALISER


def psnr_hvs_m(distorted: Tensor, reference: Tensor) -> Tensor:
    """PSNR-HVS-M in dB of grey images (B, 1, H, W) in 0..1 -> (B,), higher is better; infinite for images that look identical.

    Symmetric: the image that masks more counts. What is left beyond whole blocks of 8 x 8 is not looked at.
    """
    distorted, reference = (blocks(x) for x in grey_levels(distorted, reference))
    coefficients_d, coefficients_r = dct(distorted), dct(reference)
    mask = torch.maximum(_masking(distorted, coefficients_d), _masking(reference, coefficients_r))
    weights = (MASKING / mask.new_tensor(JPEG_LUMINANCE)) ** 2
    hidden = mask[..., None, None] / weights
    # The block's mean is never masked.
    hidden = torch.cat([torch.cat([torch.zeros_like(hidden[..., :1, :1]), hidden[..., :1, 1:]], -1), hidden[..., 1:, :]], -2)
    seen = ((coefficients_d - coefficients_r).abs() - hidden).clamp_min(0)
    return weighted_psnr(seen**2)
