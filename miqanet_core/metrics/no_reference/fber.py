"""Foreground-background energy ratio: how much stronger the anatomy is than the air around it.

Shehzad et al.: The Preprocessed Connectomes Project Quality Assessment Protocol, Frontiers in Neuroscience 9, 2015. The medians
are MRIQC's; the protocol defined it by means, which one bright vessel or ghost governs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from miqanet_core.metrics.no_reference.regions import foreground


def fber(images: Tensor) -> Tensor:
    """Median energy of the anatomy over that of air: grey (B, 1, H, W) -> (B,), 0 or more, higher is better; float64.

    Does not depend on the intensity scale. NaN without anatomy, and where more than half of the air is 0 (MRIQC says -1).
    """
    ratios = []
    for image, mask in zip(images[:, 0].double(), foreground(images), strict=True):
        energy = image.square()
        air = energy[~mask].quantile(0.5) if not mask.all() else energy.new_zeros(())
        signal = energy[mask].quantile(0.5) if mask.any() else energy.new_tensor(torch.nan)
        ratios.append(torch.where(air > 0, signal / air, torch.nan))
    return torch.stack(ratios)
