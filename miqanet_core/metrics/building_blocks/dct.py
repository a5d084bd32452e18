"""The discrete cosine transform of 8 x 8 blocks, and JPEG's luminance quantisation table."""

from __future__ import annotations

from math import cos, pi, sqrt

from torch import Tensor

BLOCK = 8
# ITU-T T.81, table K.1: the coarser a coefficient may be quantised, the less the eye sees of it.
JPEG_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)


def blocks(images: Tensor) -> Tensor:
    """Images (B, 1, H, W) as whole blocks (B, rows, columns, 8, 8) side by side; what is left over is cut off."""
    return images[:, 0].unfold(1, BLOCK, BLOCK).unfold(2, BLOCK, BLOCK)


def dct(blocks: Tensor) -> Tensor:
    """The orthonormal DCT-II of blocks (..., 8, 8)."""
    basis = blocks.new_tensor(
        [
            [sqrt((1 if k == 0 else 2) / BLOCK) * cos(pi * (2 * n + 1) * k / (2 * BLOCK)) for n in range(BLOCK)]
            for k in range(BLOCK)
        ]
    )
    return basis @ blocks @ basis.t()
