"""NLPD: distance in a normalised Laplacian pyramid, a model of the retina and the lateral geniculate nucleus.

Laparra, Ballé, Berardino, Simoncelli: Perceptual image quality assessment using a normalized Laplacian pyramid, Human Vision
and Electronic Imaging 2016. The numbers below are those that the authors fitted to natural images.
"""

from __future__ import annotations

import torch
from torch import Tensor

from miqanet_core.metrics.building_blocks.filtering import same
from miqanet_core.metrics.building_blocks.pyramids import laplacian_pyramid

# How the neighbours (above, left, right, below, and two to the right) predict a coefficient's amplitude, and what is added to
# that, level by level. They are convolved: "right" is what lies to the left of a coefficient.
NEIGHBOURS = (
    (0.1011, 0.1493, 0.1460, 0.1015, 0.0072),
    (0.0757, 0.1986, 0.1846, 0.0837, 0.0),
    (0.0477, 0.2138, 0.2243, 0.0467, 0.0),
    (0.0, 0.2503, 0.2616, 0.0, 0.0),
    (0.0, 0.2598, 0.2552, 0.0, 0.0),
    (0.0, 0.2215, 0.0717, 0.0, 0.0),
)
CONSTANTS = (0.0248, 0.0185, 0.0179, 0.0191, 0.0220, 0.2782)


def _normalised(band: Tensor, level: int) -> Tensor:
    above, left, right, below, far = NEIGHBOURS[level]
    kernel = band.new_zeros(5, 5)
    kernel[1, 2], kernel[2, 1], kernel[2, 3], kernel[3, 2], kernel[2, 4] = above, left, right, below, far
    return band / (CONSTANTS[level] + same(band.abs(), kernel.flip(0, 1)))


def nlpd(distorted: Tensor, reference: Tensor) -> Tensor:
    """NLPD of grey images (B, 1, H, W) in 0..1 -> (B,), 0 (identical) or more, lower is better; symmetric."""
    distances = []
    pyramids = (laplacian_pyramid(x.double(), len(CONSTANTS)) for x in (distorted, reference))
    for level, (d, r) in enumerate(zip(*pyramids, strict=True)):
        difference = _normalised(d, level) - _normalised(r, level)
        distances.append(difference.square().mean((1, 2, 3)).sqrt())
    return torch.stack(distances).mean(0)
