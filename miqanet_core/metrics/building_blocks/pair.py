"""What nearly every full-reference measure does with its two images first, and how it compares two features."""

from __future__ import annotations

from math import cos, pi

import torch
from torch import Tensor


def grey_levels(*images: Tensor) -> tuple[Tensor, ...]:
    """Images in 0..1 as float64 in 0..255, the scale for which the authors set their constants."""
    return tuple(image.double() * 255 for image in images)


def similarity(one: Tensor, other: Tensor, constant: float) -> Tensor:
    """(2 a b + c) / (a^2 + b^2 + c): 1 where equal, smaller the more they differ."""
    return (2 * one * other + constant) / (one**2 + other**2 + constant)


def real_power(base: Tensor, power: float) -> Tensor:
    """The real part of base ** power, which is what MATLAB's real() leaves of negative numbers."""
    size = base.abs().clamp_min(1e-12) ** power
    return torch.where(base < 0, size * cos(pi * power), size)
