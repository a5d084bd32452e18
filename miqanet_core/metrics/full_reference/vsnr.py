"""VSNR: visual signal-to-noise ratio, of distortions that can be seen and of how they upset the order of scales.

Chandler, Hemami: VSNR: a wavelet-based visual signal-to-noise ratio for natural images, IEEE TIP 16, 2007; viewing conditions
as in the authors' program: 96 pixels an inch seen from 19.1 inches. Known disagreements: the
program rounds images to whole grey levels, this does not; and it takes the luminance of the error about the mean grey level for
that of the distorted image, so that images with much black, as MR, differ from themselves: here the distorted image's counts.
"""

from __future__ import annotations

from math import log, pi, tan

import torch
from torch import Tensor

from miqanet_core.metrics.building_blocks.pair import grey_levels
from miqanet_core.metrics.building_blocks.wavelet import wavelet_bands

LEVELS = 5
# Share of the visible contrast in the distortion; the rest is the disruption of global precedence.
CONTRAST_SHARE = 0.04
# Luminance of a grey level: (GAIN * level) ** GAMMA.
GAIN, GAMMA = 0.02874, 2.2
# Cycles per degree of each level's band.
FREQUENCIES = tuple(96 * 19.1 * tan(pi / 180) / 2**level for level in range(1, LEVELS + 1))
# A brightness change below this part of the mean luminance is not seen; Weber's constant for those that are.
LEAST_CHANGE, WEBER = 0.01, 1.5
SEARCH_STEPS, SEARCH_TOLERANCE = 32, 0.01


def _luminance(levels: Tensor) -> Tensor:
    return (GAIN * levels.clamp(0, 255)) ** GAMMA


def _contrasts(images: Tensor, per_contrast: Tensor) -> Tensor:
    """Root mean square contrast of each level: (B, LEVELS)."""
    found = []
    for level, bands in enumerate(wavelet_bands(images, LEVELS), start=1):
        variance = torch.stack([band.var((1, 2, 3), correction=0) for band in bands]).sum(0)
        found.append((variance + 1e-24).sqrt() / (per_contrast * 2**level))
    return torch.stack(found, 1)


def _best_ratios(visibility: Tensor) -> Tensor:
    """Contrast signal-to-noise ratios (B, LEVELS) of the distortion that disturbs least; ``visibility`` (B,): 0 threshold."""
    v = visibility[:, None]
    logs = visibility.new_tensor([log(frequency) for frequency in FREQUENCIES])
    b0, b1, b2 = 59.8 * (1 - v), (1 + 0.1258) * v - 0.1258, (-1 + 0.1087) * v - 0.1087
    return (b0 * torch.exp(logs * (b2 * logs + b1))).clamp_min(1e-12)


def _best_for(contrasts: Tensor, distortion: Tensor) -> Tensor:
    """The best ratios (B, LEVELS) whose total distortion contrast is ``distortion`` (B,), to 1 %, by bisection."""
    low, high = torch.zeros_like(distortion), torch.ones_like(distortion)
    middle = (low + high) / 2
    for _ in range(SEARCH_STEPS):
        excess = (contrasts / _best_ratios(middle)).norm(dim=1) - distortion
        done = excess.abs() < SEARCH_TOLERANCE * distortion
        low = torch.where(~done & (excess < 0), middle, low)
        high = torch.where(~done & (excess >= 0), middle, high)
        middle = torch.where(done, middle, (low + high) / 2)
    return _best_ratios(middle)


def vsnr(distorted: Tensor, reference: Tensor) -> Tensor:
    """VSNR in dB of grey images (B, 1, H, W) in 0..1 -> (B,), higher is better; infinite when nothing of the change is seen.

    At least 160 x 160 pixels for five levels. NaN for a black reference.
    """
    distorted, reference = grey_levels(distorted, reference)
    level = reference.mean((1, 2, 3), keepdim=True)
    light = _luminance(reference)
    mean_light = light.mean((1, 2, 3))
    contrast = light.std((1, 2, 3), correction=0) / mean_light
    per_contrast = mean_light * (GAIN * level.flatten()) ** (1 - GAMMA) / (GAIN * GAMMA)
    contrasts = _contrasts(reference, per_contrast)
    threshold = (contrasts / _best_ratios(torch.zeros_like(mean_light))).norm(dim=1)

    error = (distorted - reference + level).clamp(0, 255)
    error_light = _luminance(error)
    error_contrast = error_light.std((1, 2, 3), correction=0) / mean_light
    disorder = (contrasts / _best_for(contrasts, error_contrast) - _contrasts(error, per_contrast)).norm(dim=1)
    distance = CONTRAST_SHARE * error_contrast + (1 - CONTRAST_SHARE) * disorder / 2**0.5
    structural = 20 * (contrast / distance).log10()

    change = (_luminance(distorted).mean((1, 2, 3)) - mean_light).abs()
    brightness = 20 * (mean_light / change.clamp_min(1e-12) - torch.as_tensor(WEBER).log10())
    unseen = torch.where(change / mean_light < LEAST_CHANGE, torch.inf, brightness)
    score = torch.where(error_contrast > threshold, structural, unseen)
    return torch.where(mean_light > 0, score, torch.nan)
