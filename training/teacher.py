"""The full-reference teacher: what a degraded slice is worth, given the clean one.

HaarPSI and MS-SSIM are among the measures that agreed best with radiologists on MR. VSI, the third, is left out: piq's differs
from its authors' by 1e-2, it costs three times the other two together, and its colour channels say nothing of a grey image.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from piq import multi_scale_ssim
from torch import Tensor

from miqanet_core.metrics.full_reference.haarpsi import haarpsi_map

# The mean of HaarPSI and squared MS-SSIM hardly falls below this, however bad the image: the scale starts here.
FLOOR = 0.2
# Five halvings of an 11-pixel window: what MS-SSIM needs at least.
LEAST_SIDE = 176


class Judgement(NamedTuple):
    """``score`` (B,) and ``score_map`` (B, grid, grid) in 0..1, 1 for the reference itself; ``weight_map`` >= 0."""

    score: Tensor
    score_map: Tensor
    weight_map: Tensor


def _score(haarpsi: Tensor, ms_ssim: Tensor) -> Tensor:
    return (((haarpsi + ms_ssim**2) / 2 - FLOOR) / (1 - FLOOR)).clamp(0, 1)


def judge(distorted: Tensor, reference: Tensor, grid: int, inside: tuple[int, int] | None = None) -> Judgement:
    """Both (B, 1, H, W), on one intensity scale, the reference in 0..1; H and W even.

    ``inside``: rows and columns of the tile that hold image; below and to the right of them lies padding, which is alike in
    both and must not make the distorted one look better. None for all of it.
    The map is HaarPSI's own local similarity on grid x grid patches, shifted so that its level is the score's.
    """
    distorted = distorted.clamp(0, 1)
    local = haarpsi_map(distorted, reference)
    rows, columns = inside or reference.shape[-2:]
    pad = [max(0, LEAST_SIDE - side) for side in (rows, columns)]
    padded = [torch.nn.functional.pad(x[..., :rows, :columns], (0, pad[1], 0, pad[0])) for x in (distorted, reference)]
    ms_ssim = multi_scale_ssim(*padded, data_range=1.0, reduction="none")
    overall = local.score()
    score = _score(overall, ms_ssim)
    patches, weight = local.patches(grid)
    score_map = (patches + (score - overall)[:, None, None]).clamp(0, 1)
    return Judgement(score, score_map, weight)
