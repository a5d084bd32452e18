"""Spikes in k-space."""

from __future__ import annotations

import numpy as np

from miqanet_core.artifacts.kspace import at_energy

# RMS at severity 1, as a fraction of the anatomy's RMS.
MOST_ENERGY = 0.45


def spike(image: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Electrical discharges: single samples of k-space far too large, seen as stripes across the whole image.

    One to three spikes between 5 % and 40 % of the sampling frequency. ``severity`` 0..1 is stripe RMS 0..0.45 of the
    anatomy's.
    """
    rows, columns = (np.arange(n) for n in image.shape)
    stripes = np.zeros(image.shape)
    for _ in range(rng.integers(1, 4)):
        frequency, angle, phase = rng.uniform(0.05, 0.4), rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
        cycles = frequency * (np.sin(angle) * rows[:, None] + np.cos(angle) * columns[None, :])
        stripes += rng.uniform(0.5, 1) * np.cos(2 * np.pi * cycles + phase)
    return np.abs(image + at_energy(stripes, image, MOST_ENERGY * severity))
