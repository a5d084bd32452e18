"""MAD: most apparent distortion: what is visible in good images, and how the texture has changed in bad ones.

Larson, Chandler: Most apparent distortion: full-reference image quality assessment and the role of strategy, Journal of
Electronic Imaging 19, 2010; constants as in the authors' program of October 2011.

Known disagreement: of 195.28 80.84 30.39 84.35 202.24, in use for the calibration pictures, the source is not known; those who
collected them had no program of the authors'. Here 153.36 0 0 87.54 117.08 are found. The others are not of the luminance, for
which MAD is defined: I04 and I06 differ from their references in colour, in luminance by 52 dB PSNR; pyiqa, which finds 194.93
91.62 181.97 for the rest, finds 0 for these as well.
"""

from __future__ import annotations

from math import exp, log, pi

import torch
from torch import Tensor
from torch.nn import functional as F

from miqanet_core.metrics.building_blocks.contrast_sensitivity import sensitivity
from miqanet_core.metrics.building_blocks.filtering import padded
from miqanet_core.metrics.building_blocks.log_gabor import angular, frequencies, radial
from miqanet_core.metrics.building_blocks.pair import grey_levels

# Blocks overlap; each speaks for its first STRIDE x STRIDE pixels. PART: side of the parts whose quietest masks the error.
BLOCK, STRIDE, PART = 16, 4, 8
# Luminance that the eye perceives of an 8-bit level: GAIN * level ** GAMMA; below DARK nothing is seen.
GAIN, GAMMA, DARK = 0.02874, 2.2 / 3, 0.5
# Cycles per degree at half a cycle per pixel.
NYQUIST = 32.0
# Logarithm of the contrast from which the reference masks, and of the least visible contrast.
MASKING, VISIBLE = -5.0, -5.0
DETECTION_SCALE = 200.0
SCALE_WEIGHTS = (0.5, 0.75, 1.0, 5.0, 6.0)
ORIENTATIONS, SHORTEST_WAVELENGTH, WAVELENGTH_RATIO, BANDWIDTH = 4, 3.0, 3.0, 0.55
ANGULAR_SIGMA = pi / ORIENTATIONS / 1.5
# How the two strategies are blended.
BLEND_OFFSET, BLEND_POWER = exp(-2.55 / 3.35), 1 / (log(10) * 3.35)


def _blocks(images: Tensor, side: int, stride: int) -> Tensor:
    """(..., H, W) as overlapping blocks (..., rows, columns, side * side)."""
    return images.unfold(-2, side, stride).unfold(-2, side, stride).flatten(-2)


def _spread(statistic: Tensor, rows: int, columns: int) -> Tensor:
    """Each block's statistic (..., r, c) on the pixels it speaks for; 0 on those beyond the last block."""
    whole = statistic.repeat_interleave(STRIDE, -2).repeat_interleave(STRIDE, -1)
    return F.pad(whole, (0, columns - whole.shape[-1], 0, rows - whole.shape[-2]))


def _pooled(local: Tensor) -> Tensor:
    """Root mean square (B,) of (B, 1, H, W) without its border."""
    return local[..., BLOCK : -BLOCK - 1, BLOCK : -BLOCK - 1].square().mean((1, 2, 3)).sqrt()


def _detection(distorted: Tensor, reference: Tensor) -> Tensor:
    """How visible the distortion is: (B,)."""
    rows, columns = reference.shape[-2:]
    weight = torch.fft.ifftshift(sensitivity(reference, NYQUIST, columns))
    seen_d, seen_r = (torch.fft.ifft2(torch.fft.fft2(GAIN * x**GAMMA) * weight).real for x in (distorted, reference))
    level = _blocks(seen_r, BLOCK, STRIDE).mean(-1)
    error = _blocks(seen_d - seen_r, BLOCK, STRIDE).std(-1)
    parts = _blocks(seen_r, PART, STRIDE).std(-1)
    step = PART // STRIDE
    quietest = torch.stack(
        [parts[..., i : i + level.shape[-2], j : j + level.shape[-1]] for i in (0, step) for j in (0, step)]
    ).amin(0)
    bright = level > DARK
    level = torch.where(bright, level, 1)
    masker, contrast = (quietest / level).log(), (error / level).log()
    threshold = (masker - MASKING).clamp_min(0) + VISIBLE
    visible = torch.where(bright, (contrast - threshold).clamp_min(0), 0)

    side = BLOCK // 2
    squares = padded((distorted - reference) ** 2, (side, side), (side - 1, side - 1), "symmetric")
    local = F.avg_pool2d(squares, BLOCK, 1)
    return DETECTION_SCALE * _pooled(_spread(visible, rows, columns) * local)


def _statistics(magnitude: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Deviation, skewness and kurtosis of overlapping blocks."""
    blocks = _blocks(magnitude, BLOCK, STRIDE)
    centred = blocks - blocks.mean(-1, keepdim=True)
    variance = centred.square().mean(-1).clamp_min(1e-24)
    deviation = (variance * BLOCK**2 / (BLOCK**2 - 1)).sqrt()
    return deviation, (centred**3).mean(-1) / variance**1.5, (centred**4).mean(-1) / variance**2


def _appearance(distorted: Tensor, reference: Tensor) -> Tensor:
    """How much the statistics of log-Gabor responses differ: (B,)."""
    rows, columns = reference.shape[-2:]
    radius, angle = frequencies(reference)
    spectra = [torch.fft.fft2(x) for x in (distorted, reference)]
    difference: Tensor | float = 0.0
    for scale, weight in enumerate(SCALE_WEIGHTS):
        shell = radial(radius, SHORTEST_WAVELENGTH * WAVELENGTH_RATIO**scale, BANDWIDTH)
        for k in range(ORIENTATIONS):
            transfer = shell * angular(angle, k * pi / ORIENTATIONS, ANGULAR_SIGMA)
            d, r = (_statistics(torch.fft.ifft2(spectrum * transfer).abs()) for spectrum in spectra)
            change = (d[0] - r[0]).abs() + 2 * (d[1] - r[1]).abs() + (d[2] - r[2]).abs()
            difference = difference + weight / sum(SCALE_WEIGHTS) * change
    assert isinstance(difference, Tensor)
    return _pooled(_spread(difference, rows, columns))


def mad(distorted: Tensor, reference: Tensor) -> Tensor:
    """MAD of grey images (B, 1, H, W) in 0..1 -> (B,), 0 (identical) or more, lower is better.

    At least 64 x 64 pixels, since a border of 16 is left out. Not differentiable where nothing is visible.
    """
    distorted, reference = grey_levels(distorted, reference)
    detection, appearance = _detection(distorted, reference), _appearance(distorted, reference)
    share = 1 / (1 + BLEND_OFFSET * detection**BLEND_POWER)
    return appearance ** (1 - share) * detection**share
