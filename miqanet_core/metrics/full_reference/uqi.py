"""UQI: universal quality index, SSIM's forerunner without constants.

Wang, Bovik: A universal image quality index, IEEE Signal Processing Letters 9, 2002; in 8 x 8 windows, as the authors' program.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from miqanet_core.metrics.building_blocks.pair import grey_levels

WINDOW_SIDE = 8
# Of squared grey levels: below this nothing but rounding is left.
LEAST = 1e-9


def uqi(distorted: Tensor, reference: Tensor) -> Tensor:
    """UQI of grey images (B, 1, H, W) in 0..1 -> (B,), -1..1, higher is better, 1 for identical images; symmetric.

    As in the authors' program a window that is flat in both images counts by its means alone, and one that is black in both
    counts as 1. Libraries disagree on those, on which MR's air depends.
    """
    distorted, reference = grey_levels(distorted, reference)

    def mean(image: Tensor) -> Tensor:
        return F.avg_pool2d(image, WINDOW_SIDE, 1)

    mean_d, mean_r = mean(distorted), mean(reference)
    variances = mean(distorted**2) - mean_d**2 + mean(reference**2) - mean_r**2
    covariance = mean(distorted * reference) - mean_d * mean_r
    energy = mean_d**2 + mean_r**2
    flat, black = variances < LEAST, energy < LEAST
    luminance = torch.where(black, 1, 2 * mean_d * mean_r / torch.where(black, 1, energy))
    structure = torch.where(flat, 1, 2 * covariance / torch.where(flat, 1, variances))
    return (luminance * structure).mean((1, 2, 3))
