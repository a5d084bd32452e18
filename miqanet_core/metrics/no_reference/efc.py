"""Entropy focus criterion: how far the image's energy is spread; ghosts and motion spread it.

Atkinson, Hill, Stoyle, Summers, Keevil: Automatic correction of motion artifacts in magnetic resonance images using an entropy
focus criterion, IEEE TMI 16, 1997; divided by its maximum as in the Quality Assessment Protocol and MRIQC.
"""

from __future__ import annotations

from math import log, sqrt

import torch
from torch import Tensor


def efc(images: Tensor) -> Tensor:
    """EFC of grey images (B, 1, H, W) -> (B,), 0 (all energy in one pixel) to 1 (a constant image), lower is better; float64.

    Does not depend on the intensity scale. NaN for an image that is 0 everywhere.
    """
    pixels = images.flatten(1).double()
    count = pixels.shape[1]
    share = pixels / pixels.norm(dim=1, keepdim=True)
    return -torch.special.xlogy(share, share).sum(1) / (sqrt(count) * log(sqrt(count)))
