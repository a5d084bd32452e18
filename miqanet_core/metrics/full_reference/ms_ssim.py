"""MS-SSIM: structural similarity at five scales.

Wang, Simoncelli, Bovik: Multi-scale structural similarity for image quality assessment, Asilomar 2003.
Known disagreement: the reference values .6733 .9996 .9998 .9566 .8462 of the calibration pictures are the weighted *sum* of the
scales' terms, which the authors' program offers too; this is the paper's product, .6700 .9996 .9998 .9565 .8418. Terms agree.
"""

from __future__ import annotations

import torch
from torch import Tensor

from miqanet_core.metrics.building_blocks.filtering import shrunk
from miqanet_core.metrics.building_blocks.pair import grey_levels
from miqanet_core.metrics.full_reference.ssim import luminance_and_structure

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def scale_terms(distorted: Tensor, reference: Tensor) -> Tensor:
    """Mean contrast and structure at each of five scales, and luminance too at the last: (B, 5), of images in 0..1."""
    distorted, reference = grey_levels(distorted, reference)
    terms = []
    for scale in range(len(WEIGHTS)):
        if scale:
            distorted, reference = shrunk(distorted, 2, "symmetric"), shrunk(reference, 2, "symmetric")
        luminance, structure = luminance_and_structure(distorted, reference)
        last = scale == len(WEIGHTS) - 1
        terms.append((luminance * structure if last else structure).mean((1, 2, 3)))
    return torch.stack(terms, 1)


def ms_ssim(distorted: Tensor, reference: Tensor) -> Tensor:
    """MS-SSIM of grey images (B, 1, H, W) in 0..1 -> (B,), 0..1, higher is better, 1 for identical images; symmetric.

    Both sides at least 161 pixels, for five scales of an 11-pixel window. A scale whose structures are negatively correlated
    counts as 0, since the power of a negative number is not defined; the authors' program gives a complex number then.
    """
    terms = scale_terms(distorted, reference).clamp_min(0)
    return (terms ** terms.new_tensor(WEIGHTS)).prod(1)
