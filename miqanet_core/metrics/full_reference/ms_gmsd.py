"""MS-GMSD: gradient magnitude similarity deviation at four scales.

Zhang, Sun, Min, Zhao, Zhai: Gradient magnitude similarity deviation on multiple scales for color image quality assessment,
ICASSP 2017. Its grey form; the colour form MS-GMSDc has nothing to add on MR.
"""

from __future__ import annotations

import torch
from torch import Tensor

from miqanet_core.metrics.building_blocks.filtering import shrunk
from miqanet_core.metrics.building_blocks.pair import grey_levels
from miqanet_core.metrics.full_reference.gmsd import gradient_deviation

# How much of the product of both gradients is taken off, so that strong gradients mask differences.
MASKING = 0.5
WEIGHTS = (0.096, 0.596, 0.289, 0.019)


def ms_gmsd(distorted: Tensor, reference: Tensor) -> Tensor:
    """MS-GMSD of grey images (B, 1, H, W) in 0..1 -> (B,), 0 (identical) to about 0.5, lower is better; symmetric.

    The first scale is the image itself, the second that of GMSD.
    """
    distorted, reference = grey_levels(distorted, reference)
    squares = []
    for scale, weight in enumerate(WEIGHTS):
        if scale:
            distorted, reference = shrunk(distorted, 2), shrunk(reference, 2)
        squares.append(weight * gradient_deviation(distorted, reference, MASKING) ** 2)
    # Under the root, so that its gradient is finite for identical images.
    return (torch.stack(squares).sum(0) + 1e-24).sqrt()
