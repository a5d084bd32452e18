"""The eye's contrast sensitivity over spatial frequencies.

Mannos, Sakrison: The effects of a visual fidelity criterion on the encoding of images, IEEE Trans. Information Theory 20, 1974,
made lowpass and less sensitive on diagonals by Mitsa, Varkus: Evaluation of contrast sensitivity functions for the formulation
of quality measures incorporated in halftoning algorithms, ICASSP 1993.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Below its maximum, in cycles per degree, the sensitivity is held at the maximum.
PEAK_FREQUENCY, PEAK = 7.8909, 0.9809
# How much of the sensitivity to vertical and horizontal gratings is left on diagonals.
DIAGONAL = 0.7


def mannos_sakrison(frequency: Tensor) -> Tensor:
    """Sensitivity at frequencies in cycles per degree; about 1 at its maximum."""
    return 2.6 * (0.0192 + 0.114 * frequency) * torch.exp(-((0.114 * frequency) ** 1.1))


def sensitivity(images: Tensor, nyquist: float, side: int) -> Tensor:
    """Sensitivity (H, W) to the frequencies of ``torch.fft.fftshift(torch.fft.fft2(images))``.

    ``nyquist``: cycles per degree at half a cycle per pixel, along the side of ``side`` pixels. As in the authors' programs
    the grid is half a sample off the frequencies.
    """
    rows, columns = images.shape[-2:]
    down = torch.arange(rows, dtype=images.dtype, device=images.device)[:, None] - (rows - 1) / 2
    across = torch.arange(columns, dtype=images.dtype, device=images.device) - (columns - 1) / 2
    frequency = torch.hypot(down, across) / side * 2 * nyquist
    frequency = frequency / ((1 - DIAGONAL) / 2 * torch.cos(4 * torch.atan2(down, across)) + (1 + DIAGONAL) / 2)
    return torch.where(frequency < PEAK_FREQUENCY, PEAK, mannos_sakrison(frequency))
