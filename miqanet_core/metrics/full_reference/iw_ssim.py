"""IW-SSIM: multi-scale structural similarity, weighted by the information that the images convey at each place.

Wang, Li: Information content weighting for perceptual image quality assessment, IEEE TIP 20, 2011.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from miqanet_core.metrics.building_blocks.filtering import same, valid
from miqanet_core.metrics.building_blocks.pair import grey_levels
from miqanet_core.metrics.full_reference.ms_ssim import WEIGHTS
from miqanet_core.metrics.full_reference.ssim import C1, C2, WINDOW_SIDE, local_mean

# The binomial filter of the Laplacian pyramid; its borders are reflected. As in the authors' toolbox amplitudes double from
# scale to scale.
BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
# Side of the neighbourhood whose statistics give the information, and the noise of the eye.
BLOCK, NOISE = 3, 0.4
TINY = 1e-15


def _pyramid(images: Tensor) -> list[Tensor]:
    row = images.new_tensor(BINOMIAL)
    kernel = torch.outer(row, row)
    bands = []
    for _ in range(len(WEIGHTS) - 1):
        smaller = 2 * same(images, kernel, "reflect")[..., ::2, ::2]
        spread = torch.zeros_like(images)
        spread[..., ::2, ::2] = smaller
        bands.append(images - 2 * same(spread, kernel, "reflect"))
        images = smaller
    return [*bands, images]


def _enlarged(band: Tensor, rows: int, columns: int) -> Tensor:
    """The coarser band at twice its size, linearly interpolated: the parent of each coefficient."""
    return F.interpolate(band, scale_factor=2, mode="bilinear", align_corners=False)[..., :rows, :columns]


def _information(distorted: Tensor, reference: Tensor, parent: Tensor | None) -> Tensor:
    """Bits that each coefficient (B, 1, H, W) conveys, where its whole neighbourhood is inside: (B, 1, H - 2, W - 2)."""
    window = torch.full((BLOCK, BLOCK), 1 / BLOCK**2, dtype=reference.dtype, device=reference.device)
    mean_d, mean_r = valid(distorted, window), valid(reference, window)
    covariance = valid(distorted * reference, window) - mean_d * mean_r
    energy_r = (valid(reference**2, window) - mean_r**2).clamp_min(0)
    energy_d = (valid(distorted**2, window) - mean_d**2).clamp_min(0)
    gain = covariance / (energy_r + TINY)
    noise = energy_d - gain * covariance
    silent_r, silent_d = energy_r < TINY, energy_d < TINY
    gain, noise = torch.where(silent_r, 0, gain), torch.where(silent_r, energy_d, noise)
    gain, noise = torch.where(silent_d, 0, gain), torch.where(silent_d, 0, noise)

    rows, columns = gain.shape[-2:]
    neighbours = [reference[..., i : i + rows, j : j + columns] for j in range(BLOCK) for i in range(BLOCK)]
    if parent is not None:
        neighbours.append(parent[..., 1 : 1 + rows, 1 : 1 + columns])
    vectors = torch.cat(neighbours, 1).flatten(2)
    spread = vectors @ vectors.mT / vectors.shape[-1]
    values, directions = torch.linalg.eigh(spread)
    positive = values.clamp_min(0)
    values = positive * (values.sum(1, keepdim=True) / positive.sum(1, keepdim=True).clamp_min(TINY))
    # In the eigenvectors' axes the quadratic form is a weighted sum of squares; directions without energy carry nothing.
    turned = (directions.mT @ vectors).square()
    whitened = torch.where(values[..., None] > TINY, turned / values[..., None].clamp_min(TINY), 0)
    energy = (whitened.sum(1) / vectors.shape[1]).view_as(gain)
    noisy = noise + (1 + gain**2) * NOISE
    bits = torch.log2(1 + (noisy * energy * values[:, :, None, None] + NOISE * noise) / NOISE**2).sum(1, keepdim=True)
    return torch.where(bits < TINY, 0, bits)


def iw_ssim(distorted: Tensor, reference: Tensor) -> Tensor:
    """IW-SSIM of grey images (B, 1, H, W) in 0..1 -> (B,), 0..1, higher is better, 1 for identical images.

    Both sides at least 161 pixels, for five scales of an 11-pixel window. A scale of negative similarity counts by its size, as
    in the authors' program.
    """
    distorted, reference = grey_levels(distorted, reference)
    pyramid_d, pyramid_r = _pyramid(distorted), _pyramid(reference)
    margin = WINDOW_SIDE // 2 - BLOCK // 2
    score: Tensor = torch.ones(len(reference), dtype=reference.dtype, device=reference.device)
    last = len(WEIGHTS) - 1
    for scale, (d, r, weight) in enumerate(zip(pyramid_d, pyramid_r, WEIGHTS, strict=True)):
        mean_d, mean_r = local_mean(d), local_mean(r)
        variances = (local_mean(d**2) - mean_d**2).clamp_min(0) + (local_mean(r**2) - mean_r**2).clamp_min(0)
        covariance = local_mean(d * r) - mean_d * mean_r
        similarity = (2 * covariance + C2) / (variances + C2)
        if scale == last:
            similarity = similarity * (2 * mean_d * mean_r + C1) / (mean_d**2 + mean_r**2 + C1)
            pooled = similarity.mean((1, 2, 3))
        else:
            # The residual lowpass is nobody's parent.
            parent = _enlarged(pyramid_r[scale + 1], *r.shape[-2:]) if scale + 1 < last else None
            bits = _information(d, r, parent)[..., margin:-margin, margin:-margin]
            pooled = (similarity * bits).sum((1, 2, 3)) / bits.sum((1, 2, 3))
        score = score * pooled.abs() ** weight
    return score
