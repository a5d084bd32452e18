"""Small images that stand for anatomy where a test needs no real one."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def slice_like(rows: int = 256, columns: int = 256, seed: int = 0) -> np.ndarray:
    """A bright, textured ellipse with sharp details on a dark ground with a little noise: float32, about 0..1000."""
    rng = np.random.default_rng(seed)
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    body = ((x / 0.75) ** 2 + (y / 0.85) ** 2) < 1
    texture = ndimage.gaussian_filter(rng.standard_normal((rows, columns)), 3)
    image = body * (500 + 250 * texture / np.abs(texture).max())
    for _ in range(12):
        cy, cx = rng.uniform(-0.5, 0.5, 2)
        image[((x - cx) ** 2 + (y - cy) ** 2 < rng.uniform(0.02, 0.12) ** 2) & body] = rng.uniform(100, 1000)
    noise = rng.standard_normal((2, rows, columns)) * 6
    return np.hypot(image + noise[0], noise[1]).astype(np.float32)


def stack_like(slices: int = 4, rows: int = 256, columns: int = 256) -> np.ndarray:
    """Several of them: float32 (slices, rows, columns)."""
    return np.stack([slice_like(rows, columns, seed) for seed in range(slices)])
