"""Ghosting: displaced copies of the anatomy along the phase-encoding direction."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from miqanet_core.artifacts.kspace import at_energy

# RMS at severity 1, as a fraction of the anatomy's RMS; and a ghost is never stronger than this part of its origin.
MOST_ENERGY = 0.45
MOST_GHOST = 0.9


def _copies(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Copies at multiples of FOV/n, n = 2..5, each with its own phase, as a periodic change of n lines makes them."""
    axis = int(rng.integers(2))
    count = int(rng.integers(2, 6))
    phases = np.exp(2j * np.pi * rng.random(count - 1))
    strengths = 0.6 + 0.4 * rng.random(count - 1)
    step = image.shape[axis] / count
    return sum(
        phase * strength * np.roll(image, round(step * (i + 1)), axis)
        for i, (phase, strength) in enumerate(zip(phases, strengths, strict=True))
    )


def ghosting(image: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Periodic motion (breath, pulse) or unequal echoes repeat the anatomy at fractions of the field of view.

    ``severity`` 0..1 is ghost RMS 0..0.45 of the anatomy's, measured inside the anatomy. Phase-encoding axis, number and
    phases of the ghosts are drawn from ``rng``.
    """
    return np.abs(image + at_energy(_copies(image, rng), image, MOST_ENERGY * severity, MOST_GHOST * severity))


def edge_ghosting(image: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Ghosts of edges only: the inconsistency lies in the outer lines of k-space, so sharp borders repeat, not areas.

    ``severity`` 0..1 is ghost RMS 0..0.45 of the anatomy's, measured inside the anatomy.
    """
    edges = image - ndimage.gaussian_filter(image, min(image.shape) / 80)
    return np.abs(image + at_energy(_copies(edges, rng), image, MOST_ENERGY * severity, 4 * severity))
