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

WEIGHTS = (0.096, 0.596, 0.289, 0.019)


def ms_gmsd(distorted: Tensor, reference: Tensor) -> Tensor:
    """MS-GMSD of grey images (B, 1, H, W) in 0..1 -> (B,), 0 (identical) to about 0.5, lower is better; symmetric.

    The first scale is half the image's size, as for GMSD.
    """
    distorted, reference = grey_levels(distorted, reference)
    squares = []
    for weight in WEIGHTS:
        distorted, reference = shrunk(distorted, 2), shrunk(reference, 2)
        squares.append(weight * gradient_deviation(distorted, reference) ** 2)
    # Under the root, so that its gradient is finite for identical images.
    return (torch.stack(squares).sum(0) + 1e-24).sqrt()
