"""VIF: visual information fidelity, in the wavelet domain.

Sheikh, Bovik: Image information and visual quality, IEEE TIP 15, 2006, with the bands and windows of the authors' program.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from miqanet_core.metrics.building_blocks.filtering import padded
from miqanet_core.metrics.building_blocks.pair import grey_levels
from miqanet_core.metrics.building_blocks.steerable_pyramid import spatial_bands

LEVELS = 4
# The two orientations of six that are looked at.
ORIENTATIONS = (0, 3)
# Side of the vectors of neighbours, and the noise of the eye.
BLOCK, NOISE = 3, 0.4
TINY = 1e-15


class Channel(NamedTuple):
    """What became of one band: (B, r, c) each, per vector of neighbours; ``spectrum`` (B, 9): the covariance's eigenvalues."""

    gain: Tensor
    noise: Tensor
    energy: Tensor
    spectrum: Tensor


def _channel(distorted: Tensor, reference: Tensor, window: int, margin: int) -> Channel:
    """The channel of one band (B, H, W) whose statistics are taken in window x window; ``margin``: vectors cut all round."""
    rows, columns = (side // BLOCK * BLOCK for side in reference.shape[-2:])
    d, r = distorted[:, None, :rows, :columns], reference[:, None, :rows, :columns]

    def mean(image: Tensor) -> Tensor:
        reach = window // 2
        continued = padded(image, (reach, reach), (reach, reach), "reflect")[..., BLOCK // 2 :, BLOCK // 2 :]
        return F.avg_pool2d(continued, window, BLOCK)[:, 0, : rows // BLOCK, : columns // BLOCK]

    mean_d, mean_r = mean(d), mean(r)
    count = window**2
    covariance = count * (mean(d * r) - mean_d * mean_r)
    energy_r = (count * (mean(r**2) - mean_r**2)).clamp_min(0)
    energy_d = (count * (mean(d**2) - mean_d**2)).clamp_min(0)
    gain = covariance / (energy_r + TINY)
    noise = (energy_d - gain * covariance) / count
    silent_r, silent_d = energy_r < TINY, energy_d < TINY
    gain, noise = torch.where(silent_r, 0, gain), torch.where(silent_r, energy_d, noise)
    gain, noise = torch.where(silent_d, 0, gain), torch.where(silent_d, 0, noise)
    noise = torch.where(gain < 0, energy_d, noise).clamp_min(TINY)
    gain = gain.clamp_min(0)

    image = r[:, 0]
    everywhere = torch.stack(
        [
            image[:, i : rows - BLOCK + 1 + i, j : columns - BLOCK + 1 + j].flatten(1)
            for j in range(BLOCK)
            for i in range(BLOCK)
        ],
        1,
    )
    centred = everywhere - everywhere.mean(-1, keepdim=True)
    spread = centred @ centred.mT / centred.shape[-1]
    vectors = torch.stack([image[:, i::BLOCK, j::BLOCK] for j in range(BLOCK) for i in range(BLOCK)], 1)
    whitened = torch.linalg.pinv(spread, hermitian=True) @ vectors.flatten(2)
    energy = (whitened * vectors.flatten(2)).sum(1).view_as(gain) / BLOCK**2
    inside = (slice(None), slice(margin, -margin), slice(margin, -margin))
    return Channel(gain[inside], noise[inside], energy[inside], torch.linalg.eigvalsh(spread))


def channels(distorted: Tensor, reference: Tensor) -> list[Channel]:
    """The channels of all bands looked at, of float64 images (B, 1, H, W) in 0..255, the finest first."""
    found = []
    bands = (spatial_bands(x, LEVELS) for x in (distorted, reference))
    for level, (d, r) in enumerate(zip(*bands, strict=True)):
        window = 2 ** (LEVELS - level) + 1
        margin = -(-(window // 2) // BLOCK)
        found += [_channel(d[:, k], r[:, k], window, margin) for k in ORIENTATIONS]
    return found


def vif(distorted: Tensor, reference: Tensor) -> Tensor:
    """VIF of grey images (B, 1, H, W) in 0..1 -> (B,), 0 or more, higher is better, 1 for identical images.

    Above 1 where contrast was enhanced without noise. At least 96 x 96 pixels. NaN for a flat reference.
    """
    distorted, reference = grey_levels(distorted, reference)
    kept: Tensor | float = 0.0
    had: Tensor | float = 0.0
    for gain, noise, energy, spectrum in channels(distorted, reference):
        signal = energy[..., None] * spectrum[:, None, None]
        kept = kept + torch.log2(1 + (gain**2 / (noise + NOISE))[..., None] * signal).sum((1, 2, 3))
        had = had + torch.log2(1 + signal / NOISE).sum((1, 2, 3))
    assert isinstance(kept, Tensor)
    return kept / had
