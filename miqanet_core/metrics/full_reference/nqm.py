"""NQM: noise quality measure, a signal-to-noise ratio of what an observer sees of both images.

Damera-Venkata, Kite, Geisler, Evans, Bovik: Image quality assessment based on a degradation model, IEEE TIP 9, 2000. Both
images are split into Peli's five contrast bands of one octave; what masking or the detection threshold hides is taken out.
The image is seen under 4 degrees, as the authors' program is called in MeTriX MuX: the threshold of a band is that of its
centre of 2, 4, 8, 16 or 32 cycles an image.
"""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor

from miqanet_core.metrics.building_blocks.contrast_sensitivity import mannos_sakrison
from miqanet_core.metrics.building_blocks.pair import grey_levels

BANDS = 5
VIEWING_ANGLE = 4.0


def _cosine_log(radius: Tensor, centre: float) -> Tensor:
    """A band-pass of one octave to each side of ``centre``, cosine-shaped on a logarithmic axis."""
    inside = (radius >= centre / 2) & (radius <= centre * 2)
    octaves = torch.log2(torch.where(inside, radius, 2 * centre) / centre)
    return 0.5 * (1 + torch.cos(pi * octaves))


def _threshold(frequency: float, like: Tensor) -> Tensor:
    """Contrast that is just seen at a frequency in cycles per degree."""
    return 1 / (200 * mannos_sakrison(like.new_tensor(frequency)))


def _bands(images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Contrast bands of the images, and each over the local luminance below it."""
    rows, columns = images.shape[-2:]
    down = torch.arange(rows, dtype=images.dtype, device=images.device)[:, None] - rows / 2
    across = torch.arange(columns, dtype=images.dtype, device=images.device) - columns / 2
    radius = torch.hypot(down, across)
    # The first is the luminance: the mean and what lies below one cycle an image.
    transfers = [_cosine_log(radius + 2, 2.0), *(_cosine_log(radius, 2.0**k) for k in range(1, BANDS + 1))]
    spectrum = torch.fft.fft2(images)
    luminance, *bands = (torch.fft.ifft2(spectrum * torch.fft.fftshift(x)).real for x in transfers)
    contrasts = []
    for band in bands:
        contrasts.append(band / luminance)
        luminance = luminance + band
    return bands, contrasts


def nqm(distorted: Tensor, reference: Tensor) -> Tensor:
    """NQM in dB of grey images (B, 1, H, W) in 0..1 -> (B,), higher is better; infinite for images that look identical.

    Not differentiable where contrasts pass a threshold. NaN for a reference without visible contrast.
    """
    distorted, reference = grey_levels(distorted, reference)
    bands, contrasts = _bands(reference)
    seen_bands, seen_contrasts = _bands(distorted)
    signal: Tensor | float = 0.0
    seen: Tensor | float = 0.0
    for k, (band, contrast, own, own_contrast) in enumerate(
        zip(bands, contrasts, seen_bands, seen_contrasts, strict=True), start=1
    ):
        # Bradley and Ohzawa's masking; the program takes the band's number for its frequency here.
        base = _threshold(float(k), reference)
        masked = base * (0.86 * (contrast / base - 1) + 0.3)
        clipped = torch.where(own_contrast.abs() > 1, 1.0, own_contrast)
        own = torch.where((clipped - contrast).abs() < masked, band, own)
        least = _threshold(2.0**k / VIEWING_ANGLE, reference)
        signal = signal + torch.where(contrast.abs() < least, 0, band)
        seen = seen + torch.where(own_contrast.abs() < least, 0, own)
    assert isinstance(signal, Tensor)
    return 10 * (signal.square().sum((1, 2, 3)) / (signal - seen).square().sum((1, 2, 3))).log10()
