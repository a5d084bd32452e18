"""What the artefacts share: k-space, its informative part, and distortions of a set energy."""

from __future__ import annotations

import numpy as np

from miqanet_core.transforms.anatomy import anatomy_mask


def to_kspace(image: np.ndarray) -> np.ndarray:
    """Centred, orthonormal 2-D Fourier transform."""
    return np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image), norm="ortho"))


def to_image(kspace: np.ndarray) -> np.ndarray:
    """Magnitude image of centred k-space, as a scanner reconstructs it."""
    return np.abs(np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace), norm="ortho")))


def informative_extent(image: np.ndarray, axis: int) -> float:
    """The part of k-space along ``axis`` that tells of the anatomy, 0..1 of the matrix: outside it lies only a floor.

    The floor is noise, or what zero-filling leaves: scanners interpolate, and what looks like 512 lines may be 256 acquired
    ones. Taking away lines of the floor, or blurring by less than a resolved pixel, changes nothing to be seen. The extent is
    the centred band whose mean power stands at least four times above that of the outermost twentieth of the matrix.
    """
    power = (np.abs(to_kspace(image)) ** 2).mean(1 - axis)
    size = power.size
    radius = np.abs(np.arange(size) - size // 2)
    profile = np.array([power[radius == r].mean() for r in range(size // 2)])
    edge = profile[-max(2, size // 40) :].mean()
    inside = np.flatnonzero(profile > 4 * edge)
    return float((inside[-1] + 1) / profile.size) if inside.size else 1.0


def anatomy_rms(image: np.ndarray) -> float:
    """Root mean square intensity inside the anatomy, or of the whole slice when it shows none."""
    mask = anatomy_mask(image)
    return float(np.sqrt(np.mean(np.square(image[mask] if mask.any() else image))))


def at_energy(pattern: np.ndarray, image: np.ndarray, fraction: float, most: float = np.inf) -> np.ndarray:
    """``pattern`` scaled until its RMS inside the anatomy of ``image`` is ``fraction`` of the anatomy's own RMS.

    ``most`` bounds the factor, for patterns such as a ghost that may hardly meet the anatomy.
    """
    mask = anatomy_mask(image)
    inside = pattern[mask] if mask.any() else pattern
    rms = float(np.sqrt(np.mean(np.abs(inside) ** 2)))
    if rms == 0:
        return np.zeros_like(pattern)
    return pattern * min(fraction * anatomy_rms(image) / rms, most)
