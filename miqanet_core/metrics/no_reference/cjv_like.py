"""Coefficient of joint variation of two tissues, without a segmentation.

Ganzetti, Wenderoth, Mantini: Intensity inhomogeneity correction of structural MR images: a data-driven approach to define input
algorithm parameters, Frontiers in Neuroinformatics 10, 2016; MRIQC's ``cjv`` takes white and grey matter. Here the anatomy's
intensities are split into three classes by Otsu's two thresholds, and the middle and the bright class stand for the two
tissues: hence "like". Cut out of one histogram, the classes never overlap, so it rises less with noise than the original. Means
and standard deviations are taken, as in the paper; MRIQC takes medians and median absolute deviations.
"""

from __future__ import annotations

import torch
from torch import Tensor

from miqanet_core.metrics.no_reference.regions import foreground
from miqanet_core.metrics.no_reference.tissues import two_tissues


def _joint_variation(inside: Tensor) -> Tensor:
    """CJV of the two brighter of three classes of intensities (N,)."""
    middle, bright = two_tissues(inside)
    return (middle.std(correction=0) + bright.std(correction=0)) / (bright.mean() - middle.mean())


def cjv_like(images: Tensor) -> Tensor:
    """CJV of the two brighter classes of the anatomy: grey (B, 1, H, W) -> (B,), 0 or more, lower is better; float64.

    Does not depend on the intensity scale. NaN without anatomy, or when it has fewer than three intensities.
    """
    found = []
    for image, mask in zip(images[:, 0].double(), foreground(images), strict=True):
        inside = image[mask]
        found.append(_joint_variation(inside) if len(inside.unique()) > 2 else image.new_tensor(torch.nan))
    return torch.stack(found)
