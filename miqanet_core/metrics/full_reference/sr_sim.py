"""SR-SIM: similarity of spectral-residual saliency and gradient magnitude, weighted by saliency.

Zhang, Li: SR-SIM: a fast and high performance IQA index based on spectral residual, ICIP 2012.
"""

from __future__ import annotations

import torch
from torch import Tensor

from miqanet_core.metrics.building_blocks.filtering import box, gaussian_window, same, shrunk, viewing_factor
from miqanet_core.metrics.building_blocks.gradients import SCHARR, gradient_magnitude
from miqanet_core.metrics.building_blocks.pair import grey_levels, similarity
from miqanet_core.metrics.building_blocks.resizing import resized

T_SALIENCY, T_GRADIENT, GRADIENT_POWER = 0.40, 225.0, 0.50
# Scale at which saliency is found, side of the mean that is taken off the log spectrum, and the smoothing after it.
SCALE, MEAN_SIDE, SMOOTH_SIDE, SMOOTH_SIGMA = 0.25, 3, 10, 3.8
TINY = 1e-12


def saliency(images: Tensor) -> Tensor:
    """Spectral-residual saliency of float64 images (B, 1, H, W), 0..1."""
    rows, columns = images.shape[-2:]
    # MATLAB's imresize rounds sides up.
    small = resized(images, -int(-rows * SCALE // 1), -int(-columns * SCALE // 1), cubic=True)
    spectrum = torch.fft.fft2(small)
    amplitude = (spectrum.abs() + TINY).log()
    residual = amplitude - same(amplitude, box(MEAN_SIDE, images), "replicate")
    salient = torch.fft.ifft2(torch.polar(residual.exp(), spectrum.angle())).abs() ** 2
    salient = same(salient, gaussian_window(SMOOTH_SIDE, SMOOTH_SIGMA, images))
    low, high = salient.amin((2, 3), keepdim=True), salient.amax((2, 3), keepdim=True)
    return resized((salient - low) / (high - low).clamp_min(TINY), rows, columns, cubic=True)


def sr_sim(distorted: Tensor, reference: Tensor) -> Tensor:
    """SR-SIM of grey images (B, 1, H, W) in 0..1 -> (B,), 0..1, higher is better, 1 for identical images; symmetric.

    Images shrink first, by round(shorter side / 256).
    """
    distorted, reference = grey_levels(distorted, reference)
    factor = viewing_factor(reference)
    distorted, reference = shrunk(distorted, factor), shrunk(reference, factor)
    salient_d, salient_r = saliency(distorted), saliency(reference)
    gradient_d, gradient_r = (gradient_magnitude(x, SCHARR) for x in (distorted, reference))
    alike = similarity(salient_d, salient_r, T_SALIENCY) * similarity(gradient_d, gradient_r, T_GRADIENT) ** GRADIENT_POWER
    weight = salient_d.maximum(salient_r)
    return (alike * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3))
