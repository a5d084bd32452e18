"""Loss of resolution: fewer lines of k-space, or a wider point spread."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from miqanet_core.artifacts.kspace import informative_extent, to_image, to_kspace

# At severity 1 this part of the informative lines is left, and the blur has this standard deviation in resolved pixels.
LEAST_LINES = 0.10
MOST_BLUR = 2.5
# The first lines lost, and the first tenths of a pixel, are hardly seen: the severity grows with a root of the loss.
EASE = 0.6


def low_resolution(image: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """A smaller acquisition matrix, zero-filled to the old one: detail is lost and edges ring (Gibbs).

    ``severity`` 0..1 keeps 100..10 % of the informative lines along both axes, one of them drawn to lose a little less.
    """
    kspace = to_kspace(image)
    spared = rng.integers(2)
    for axis, size in enumerate(image.shape):
        lost = (1 - LEAST_LINES) * severity**EASE * (0.8 if axis == spared else 1.0)
        kept = informative_extent(image, axis) * (1 - lost) * size / 2
        outside = np.abs(np.arange(size) - size // 2) > kept
        np.moveaxis(kspace, axis, 0)[outside] = 0
    return to_image(kspace)


def blur(image: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """A Gaussian point spread: T2 decay along the echo train, partial volume, slow drift.

    ``severity`` 0..1 is a standard deviation of 0..2.5 resolved pixels. Nothing is random; ``rng`` is not used.
    """
    sigma = [MOST_BLUR * severity**EASE / informative_extent(image, axis) for axis in range(2)]
    return ndimage.gaussian_filter(image, sigma, mode="nearest")
