"""Wrap-around (aliasing)."""

from __future__ import annotations

import numpy as np

from miqanet_core.transforms.anatomy import anatomy_mask

# Part of the anatomy's extent that is folded in from each side at severity 1.
MOST_OVERLAP = 0.45


def wrap_around(image: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """A field of view smaller than the anatomy: what lies beyond one border appears inside the opposite one.

    The anatomy's replicas, one field of view away on either side, overlap it by 0..45 % of its extent as ``severity`` goes
    0..1. Only the overlap is shown, at 70..100 % of its strength. The phase-encoding axis is drawn.
    """
    axis = int(rng.integers(2))
    strengths = rng.uniform(0.7, 1.0, 2)
    occupied = np.flatnonzero(anatomy_mask(image).any(1 - axis))
    first, last = (occupied[0], occupied[-1] + 1) if occupied.size else (0, image.shape[axis])
    overlap = round((last - first) * MOST_OVERLAP * severity)
    result = image.copy()
    lines, folded = np.moveaxis(image, axis, 0), np.moveaxis(result, axis, 0)
    folded[first : first + overlap] += strengths[0] * lines[last - overlap : last]
    folded[last - overlap : last] += strengths[1] * lines[first : first + overlap]
    return result
