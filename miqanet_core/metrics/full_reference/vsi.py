"""VSI: similarity of visual saliency, gradient magnitude and chromaticity, weighted by saliency.

Zhang, Shen, Li: VSI: a visual saliency-induced index for perceptual image quality assessment, IEEE TIP 23, 2014. Saliency is
SDSP: Zhang, Gu, Li: SDSP: a novel saliency detection method by combining simple priors, ICIP 2013.

Known disagreement: .9139 .9620 .9922 .9571 .9262, in use for the calibration pictures, are, by those who published them, not of
the authors' program but of IQA-optimization, which finds the saliency at the image's own size and not at 256 x 256. Here, as by
piq, they are .9244 .9497 .9876 .9539 .9272; with the saliency at their own size .913 .961 .992 .957 .925.
"""

from __future__ import annotations

import torch
from torch import Tensor

from miqanet_core.metrics.building_blocks.colours import LMN, lab, mixed
from miqanet_core.metrics.building_blocks.filtering import shrunk, viewing_factor
from miqanet_core.metrics.building_blocks.gradients import SCHARR, gradient_magnitude
from miqanet_core.metrics.building_blocks.log_gabor import frequencies
from miqanet_core.metrics.building_blocks.pair import grey_levels, real_power, similarity
from miqanet_core.metrics.building_blocks.resizing import resized

T_SALIENCY, T_GRADIENT, T_CHROMA = 1.27, 386.0, 130.0
GRADIENT_POWER, CHROMA_POWER = 0.40, 0.02
# SDSP: side at which saliency is found; its band-pass; how far attention reaches from the centre; and how warm colours draw it.
SIDE = 256
CENTRE_FREQUENCY, BANDWIDTH = 0.021, 1.34
CENTRE_SIGMA, COLOUR_SIGMA = 145.0, 0.001
# Below this range of a or b an image has no colours.
LEAST_COLOUR = 1e-6


def _stretched(channel: Tensor) -> Tensor:
    """(B, 1, H, W) from 0 to 1."""
    low, high = channel.amin((2, 3), keepdim=True), channel.amax((2, 3), keepdim=True)
    return (channel - low) / (high - low).clamp_min(1e-12)


def saliency(images: Tensor) -> Tensor:
    """SDSP of float64 images (B, 3, H, W) in 0..255: (B, 1, H, W), 0..1.

    The colour prior has no meaning for grey images, on which the authors' program divides by zero; here it is left out.
    """
    rows, columns = images.shape[-2:]
    colours = lab(resized(images, SIDE, SIDE) / 255)
    radius, _ = frequencies(colours)
    transfer = torch.exp(-(torch.log(radius / CENTRE_FREQUENCY) ** 2) / (2 * BANDWIDTH**2)) * (radius <= 0.5)
    transfer[0, 0] = 0
    salient = torch.fft.ifft2(torch.fft.fft2(colours) * transfer).real.square().sum(1, keepdim=True)
    salient = (salient + 1e-12).sqrt()

    place = torch.arange(1, SIDE + 1, dtype=images.dtype, device=images.device) - SIDE / 2
    centre = torch.exp(-(place[:, None] ** 2 + place**2) / CENTRE_SIGMA**2)

    opponent = colours[:, 1:]
    coloured = (opponent.amax((2, 3)) - opponent.amin((2, 3)) > LEAST_COLOUR).all(1)[:, None, None, None]
    warmth = _stretched(opponent[:, :1]) ** 2 + _stretched(opponent[:, 1:]) ** 2
    warm = torch.where(coloured, 1 - torch.exp(-warmth / COLOUR_SIGMA**2), 1.0)
    return _stretched(resized(salient * centre * warm, rows, columns))


def vsi(distorted: Tensor, reference: Tensor) -> Tensor:
    """VSI of images (B, 3, H, W) in 0..1 -> (B,), 0..1, higher is better, 1 for identical images; symmetric.

    Images shrink first, by round(shorter side / 256). Saliency of grey images is without the colour prior.
    """
    distorted, reference = grey_levels(distorted, reference)
    factor = viewing_factor(reference)
    salient_d, salient_r = (shrunk(saliency(x), factor) for x in (distorted, reference))
    distorted, reference = (shrunk(mixed(x, LMN), factor) for x in (distorted, reference))
    gradient_d, gradient_r = (gradient_magnitude(x[:, :1], SCHARR) for x in (distorted, reference))
    chroma = similarity(distorted[:, 1:], reference[:, 1:], T_CHROMA).prod(1, keepdim=True)
    alike = similarity(salient_d, salient_r, T_SALIENCY) * similarity(gradient_d, gradient_r, T_GRADIENT) ** GRADIENT_POWER
    alike = alike * real_power(chroma, CHROMA_POWER)
    weight = salient_d.maximum(salient_r)
    return (alike * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3))
