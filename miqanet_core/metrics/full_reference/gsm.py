"""GSM: similarity of gradients with masking, and of luminance.

Liu, Lin, Narwaria: Image quality assessment based on gradient similarity, IEEE TIP 21, 2012.
"""

from __future__ import annotations

import torch
from torch import Tensor

from miqanet_core.metrics.building_blocks.filtering import same
from miqanet_core.metrics.building_blocks.pair import grey_levels

# The four directional kernels of 5 x 5, of which the strongest response counts; their sum of weights.
ACROSS = ((0, 0, 0, 0, 0), (1, 3, 8, 3, 1), (0, 0, 0, 0, 0), (-1, -3, -8, -3, -1), (0, 0, 0, 0, 0))
DIAGONAL = ((0, 0, 1, 0, 0), (0, 8, 3, 0, 0), (1, 3, 0, -3, -1), (0, 0, -3, -8, 0), (0, 0, -1, 0, 0))
WEIGHT_SUM = 16.0
# The paper's K, as a share of the larger gradient, and p.
MASKING, LUMINANCE_SHARE = 200.0, 0.1


def _strongest(images: Tensor) -> Tensor:
    """The largest of four directional gradients, in grey levels."""
    kernels = []
    for rows in (ACROSS, DIAGONAL):
        kernel = images.new_tensor(rows) / WEIGHT_SUM
        kernels += [kernel, kernel.rot90()]
    return torch.stack([same(images, kernel, "symmetric").abs() for kernel in kernels]).amax(0)


def gsm(distorted: Tensor, reference: Tensor) -> Tensor:
    """GSM of grey images (B, 1, H, W) in 0..1 -> (B,), 0..1, higher is better, 1 for identical images; symmetric.

    No reference values are known. The paper leaves the border open: here it is mirrored.
    """
    distorted, reference = grey_levels(distorted, reference)
    gradient_d, gradient_r = _strongest(distorted), _strongest(reference)
    larger = torch.maximum(gradient_d, gradient_r)
    # How far the gradients differ in relation to the larger; 0 where there are none.
    change = (gradient_d - gradient_r).abs() / larger.clamp_min(1e-12)
    constant = MASKING / larger.clamp_min(1e-12)
    structure = (2 * (1 - change) + constant) / (1 + (1 - change) ** 2 + constant)
    luminance = 1 - ((distorted - reference) / 255) ** 2
    share = LUMINANCE_SHARE * structure
    return ((1 - share) * structure + share * luminance).mean((1, 2, 3))
