"""PIQE: how much of an image's active blocks is distorted or noisy; nothing is learned.

Venkatanath, Praneeth, Chandrasekhar, Channappayya, Medasani: Blind image quality evaluation using perception based features,
National Conference on Communications, 2015.
"""

from __future__ import annotations

import torch
from torch import Tensor

from miqanet_core.metrics.no_reference.natural_scene import normalised

# Side of a block, and of the segments that its edges are cut into, in pixels.
BLOCK, SEGMENT = 16, 6
# A block whose variance exceeds the first is active; a segment whose deviation is below the second is a visible distortion.
ACTIVE_VARIANCE, FLAT_DEVIATION = 0.1, 0.1
# The columns of a block that are its centre. The authors' program compares them with all columns but 7 and 9, which it deletes
# one after the other; so does this, that the numbers agree.
CENTRE = [7, 8]
SURROUND = [0, 1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15]


def _padded(luminance: Tensor) -> Tensor:
    """Images (B, 1, H, W), mirrored at the bottom and right up to whole blocks."""
    for axis in (2, 3):
        missing = -luminance.shape[axis] % BLOCK
        luminance = torch.cat([luminance, luminance.narrow(axis, -missing, missing).flip(axis)], axis) if missing else luminance
    return luminance


def piqe(images: Tensor) -> Tensor:
    """PIQE of grey images (B, 1, H, W) in 0..1 -> (B,), 0 (best) to 100, lower is better; float64.

    An image without an active block scores 100.
    """
    image = normalised(_padded(images.double() * 255), "replicate").image
    blocks = image[:, 0].unfold(1, BLOCK, BLOCK).unfold(2, BLOCK, BLOCK).flatten(1, 2)
    variance = blocks.flatten(-2).var(-1)
    active = variance > ACTIVE_VARIANCE

    edges = torch.stack([blocks[..., 0, :], blocks[..., -1, :], blocks[..., :, 0], blocks[..., :, -1]], -2)
    distorted = (edges.unfold(-1, SEGMENT, 1).std(-1) < FLAT_DEVIATION).flatten(-2).any(-1)

    deviation = variance.sqrt()
    centre = blocks[..., CENTRE].flatten(-2).std(-1)
    surround = blocks[..., SURROUND].flatten(-2).std(-1)
    contrast = (centre / surround).nan_to_num(0.0, 0.0)
    noisy = deviation > 2 * (deviation - contrast).abs() / torch.maximum(deviation, contrast)

    harm = active * (distorted * (1 - variance) + noisy * variance)
    return 100 * (harm.sum(-1) + 1) / (active.sum(-1) + 1)
