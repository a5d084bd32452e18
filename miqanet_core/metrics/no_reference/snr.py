"""Signal-to-noise ratio inside the anatomy, as MRIQC computes it of one tissue.

Esteban et al.: MRIQC, PLoS ONE 12, 2017. MRIQC has a segmentation and takes white matter, grey matter and fluid one by one;
there is none here, so the contrast between tissues counts as noise.
"""

from __future__ import annotations

import torch
from torch import Tensor

from miqanet_core.metrics.no_reference.regions import foreground


def snr(images: Tensor) -> Tensor:
    """Median over standard deviation of the anatomy, with MRIQC's sqrt(n / (n - 1)): grey (B, 1, H, W) -> (B,), float64.

    0 or more, higher is better. Does not depend on the intensity scale. NaN without anatomy, or without any deviation in it.
    """
    ratios = []
    for image, mask in zip(images[:, 0].double(), foreground(images), strict=True):
        inside = image[mask]
        # MRIQC multiplies the deviation of n by sqrt(n / (n - 1)), which is the deviation of n - 1.
        deviation = inside.std() if len(inside) > 1 else inside.new_zeros(())
        ratios.append(inside.quantile(0.5) / deviation if deviation > 0 else image.new_tensor(torch.nan))
    return torch.stack(ratios)
