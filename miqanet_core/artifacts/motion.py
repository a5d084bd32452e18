"""Motion of the patient between groups of k-space lines."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from miqanet_core.artifacts.kspace import to_image, to_kspace

# At severity 1: standard deviation of the displacements as a fraction of the matrix, and of the rotations in degrees.
MOST_SHIFT = 0.008
MOST_ROTATION = 1.2
# Lines around the centre that are all acquired in one pose, as a fraction of the matrix: they fix where the anatomy lies.
CENTRE = 0.06


def motion(image: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Rigid motion in the plane: each group of phase-encoding lines belongs to another pose of the patient.

    Three to eight poses follow one another through k-space (Atkinson et al., IEEE TMI 16(6), 1997). ``severity`` 0..1
    scales every displacement (standard deviation 0..0.8 % of the matrix) and rotation (0..1.2 degrees).
    """
    axis = int(rng.integers(2))
    lines = image.shape[axis]
    poses = int(rng.integers(3, 9))
    shifts = rng.standard_normal((poses, 2)) * MOST_SHIFT * severity * lines
    rotations = rng.standard_normal(poses) * MOST_ROTATION * severity
    starts = np.sort(rng.choice(np.arange(1, lines), poses - 1, replace=False))
    kspace = to_kspace(image)
    centre = np.abs(np.arange(lines) - lines // 2) < CENTRE * lines / 2
    for shift, rotation, group in zip(shifts, rotations, np.split(np.arange(lines), starts), strict=True):
        pose = ndimage.rotate(image, rotation, reshape=False, order=3)
        moved = np.moveaxis(np.fft.fftshift(ndimage.fourier_shift(np.fft.ifftshift(to_kspace(pose)), shift)), axis, 0)
        group = group[~centre[group]]
        np.moveaxis(kspace, axis, 0)[group] = moved[group]
    return to_image(kspace)
