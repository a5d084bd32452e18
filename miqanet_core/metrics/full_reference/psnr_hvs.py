"""PSNR-HVS: peak signal-to-noise ratio with DCT coefficients weighted by the eye's contrast sensitivity.

Egiazarian, Astola, Ponomarenko, Lukin, Battisti, Carli: New full-reference quality metrics based on HVS, VPQM 2006. As in the
authors' program "psnrhvsm", the mean of each block counts like its other coefficients.
"""

from __future__ import annotations

from torch import Tensor

from miqanet_core.metrics.building_blocks.dct import JPEG_LUMINANCE, blocks, dct
from miqanet_core.metrics.building_blocks.pair import grey_levels

# The authors' table of sensitivities is this over JPEG's quantisation steps.
SENSITIVITY = 25.735088


def weighted_psnr(squares: Tensor) -> Tensor:
    """PSNR in dB of squared errors of coefficients (B, rows, columns, 8, 8)."""
    weights = (SENSITIVITY / squares.new_tensor(JPEG_LUMINANCE)) ** 2
    return 10 * (255**2 / (squares * weights).mean((1, 2, 3, 4))).log10()


def psnr_hvs(distorted: Tensor, reference: Tensor) -> Tensor:
    """PSNR-HVS in dB of grey images (B, 1, H, W) in 0..1 -> (B,), higher is better; infinite for identical images.

    Symmetric. What is left at the right and the bottom of whole blocks of 8 x 8 is not looked at.
    """
    distorted, reference = grey_levels(distorted, reference)
    return weighted_psnr((dct(blocks(distorted)) - dct(blocks(reference))) ** 2)
