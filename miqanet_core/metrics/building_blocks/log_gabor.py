"""Log-Gabor filters: band-pass with a Gaussian transfer function on a logarithmic frequency axis.

Field: Relations between the statistics of natural images and the response properties of cortical cells, JOSA A 4, 1987.
"""

from __future__ import annotations

from math import log, pi

import torch
from torch import Tensor


def frequencies(images: Tensor) -> tuple[Tensor, Tensor]:
    """Radius in cycles per pixel and angle in radians, (H, W) each, of the frequencies of torch.fft.fft2(images).

    The radius of the mean is 1, so that its logarithm is 0.
    """
    rows, columns = images.shape[-2:]

    def axis(length: int) -> Tensor:
        steps = torch.arange(length, dtype=images.dtype, device=images.device) - length // 2
        # The authors' programs reach half a cycle per pixel at both ends of odd sides.
        return torch.fft.ifftshift(steps / (length - length % 2))

    down, across = axis(rows)[:, None], axis(columns)[None]
    radius = torch.hypot(down, across)
    angle = torch.atan2(-down.expand(rows, columns), across.expand(rows, columns))
    radius[0, 0] = 1
    return radius, angle


def radial(radius: Tensor, wavelength: float, bandwidth: float) -> Tensor:
    """Transfer function of one scale; ``wavelength`` in pixels, ``bandwidth`` as the ratio sigma / centre frequency."""
    transfer = torch.exp(-(torch.log(radius * wavelength) ** 2) / (2 * log(bandwidth) ** 2))
    transfer[0, 0] = 0
    return transfer


def angular(angle: Tensor, orientation: float, sigma: float) -> Tensor:
    """Transfer function of one orientation, in radians, with Gaussian fall-off ``sigma``."""
    away = torch.remainder(angle - orientation + pi, 2 * pi) - pi
    return torch.exp(-(away**2) / (2 * sigma**2))
