"""Intensities as the network sees them."""

from __future__ import annotations

import numpy as np

# The darkest half percent is air and dead borders; the brightest 0.2 % are vessels, fat beside the coil and spikes.
LOW_PERCENTILE, HIGH_PERCENTILE = 0.5, 99.8


def normalise(slices: np.ndarray) -> np.ndarray:
    """Slices (N, rows, columns) of any intensity scale -> float32, 0..1.

    Each slice is scaled by its own percentiles, so the result depends neither on the display window, nor on the units a file
    format stores, nor on which slices come along. A constant slice becomes 0. As MONAI's ScaleIntensityRangePercentiles does
    slice by slice; that one is not used here because importing any part of MONAI takes longer than importing torch.
    """
    slices = np.asarray(slices, np.float32)
    low, high = np.percentile(slices, (LOW_PERCENTILE, HIGH_PERCENTILE), axis=(1, 2), keepdims=True).astype(np.float32)
    span = high - low
    return np.clip((slices - low) / np.where(span > 0, span, np.float32(1)), 0, 1)
