"""Contrast-to-noise ratio of two tissues, without a segmentation.

Magnotta, Friedman, BIRN: Measurement of signal-to-noise and contrast-to-noise in the fBIRN multicenter imaging study, Journal
of Digital Imaging 19, 2006; MRIQC's ``cnr`` takes medians of white and grey matter. Here means of two intensity classes of the
anatomy stand for them, and all that is not anatomy is air: hence "like".
"""

from __future__ import annotations

import torch
from torch import Tensor

from miqanet_core.metrics.no_reference.regions import foreground
from miqanet_core.metrics.no_reference.tissues import two_tissues


def cnr_like(images: Tensor) -> Tensor:
    """Difference of the tissues' means over the root of both variances and that of air: grey (B, 1, H, W) -> (B,), float64.

    0 or more, higher is better. Does not depend on the intensity scale. NaN without anatomy, without air, or when the anatomy
    has fewer than three intensities.
    """
    ratios = []
    for image, mask in zip(images[:, 0].double(), foreground(images), strict=True):
        inside, air = image[mask], image[~mask]
        if len(inside.unique()) < 3 or not len(air):
            ratios.append(image.new_tensor(torch.nan))
            continue
        middle, bright = two_tissues(inside)
        noise = torch.stack([part.var(correction=0) for part in (middle, bright, air)]).sum().sqrt()
        ratios.append((bright.mean() - middle.mean()) / noise)
    return torch.stack(ratios)
