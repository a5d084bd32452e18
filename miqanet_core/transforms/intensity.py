"""Intensities as the network sees them."""

from __future__ import annotations

import warnings

import numpy as np
from monai.transforms import ScaleIntensityRangePercentiles

# The darkest half percent is air and dead borders; the brightest 0.2 % are vessels, fat beside the coil and spikes.
LOW_PERCENTILE, HIGH_PERCENTILE = 0.5, 99.8

_scale = ScaleIntensityRangePercentiles(LOW_PERCENTILE, HIGH_PERCENTILE, 0.0, 1.0, clip=True, channel_wise=True)


def normalise(slices: np.ndarray) -> np.ndarray:
    """Slices (N, rows, columns) of any intensity scale -> float32, 0..1.

    Each slice is scaled by its own percentiles, so the result depends neither on the display window, nor on the units a file
    format stores, nor on which slices come along. A constant slice becomes 0.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Divide by zero")
        return np.asarray(_scale(np.asarray(slices, np.float32)))
