"""WSNR: signal-to-noise ratio with the error weighted by the eye's contrast sensitivity.

Damera-Venkata, Kite, Geisler, Evans, Bovik: Image quality assessment based on a degradation model, IEEE TIP 9, 2000. As in the
authors' program the signal is not weighted, and half a cycle per pixel lies at 60 cycles per degree.
"""

from __future__ import annotations

import torch
from torch import Tensor

from miqanet_core.metrics.building_blocks.contrast_sensitivity import sensitivity
from miqanet_core.metrics.building_blocks.pair import grey_levels

# Cycles per degree at half a cycle per pixel.
NYQUIST = 60.0


def wsnr(distorted: Tensor, reference: Tensor) -> Tensor:
    """WSNR in dB of grey images (B, 1, H, W) in 0..1 -> (B,), higher is better; infinite for identical images."""
    distorted, reference = grey_levels(distorted, reference)
    weight = sensitivity(reference, NYQUIST, reference.shape[-2])
    error = torch.fft.fftshift(torch.fft.fft2(reference - distorted), dim=(-2, -1)) * weight
    signal = torch.fft.fft2(reference)
    return 10 * (signal.abs().square().sum((1, 2, 3)) / error.abs().square().sum((1, 2, 3))).log10()
