"""Shading."""

from __future__ import annotations

import numpy as np

from miqanet_core.transforms.anatomy import anatomy_mask

# Natural logarithm of the field's range (brightest over darkest) at severity 1.
MOST_LOG_RANGE = 5.0


def bias_field(image: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Uneven receive sensitivity: the image is multiplied by a smooth field, mean 1 over the anatomy.

    The field's logarithm is a random quadratic surface; ``severity`` 0..1 is a range of 0..5 (a factor of 1..150 between
    its brightest and darkest place in the slice).
    """
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in image.shape), indexing="ij")
    angle, bend = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.5, 3)
    surface = np.sin(angle) * y + np.cos(angle) * x + bend[0] * x * x + bend[1] * y * y + bend[2] * x * y
    mask = anatomy_mask(image)
    inside = surface[mask] if mask.any() else surface
    field = np.exp(MOST_LOG_RANGE * severity * (surface - inside.mean()) / (np.ptp(inside) or 1.0))
    weight = mask * image if mask.any() else np.ones(image.shape)
    return image * field * (weight.sum() / (weight * field).sum())
