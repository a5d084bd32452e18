"""Noise: white as the receiver makes it, coloured as reconstruction and filtering leave it."""

from __future__ import annotations

import numpy as np

from miqanet_core.artifacts.kspace import at_energy, to_kspace

# RMS at severity 1, as a fraction of the anatomy's RMS.
MOST_ENERGY = 0.40


def white_noise(image: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Thermal noise of coil and patient: independent Gaussian noise in both receiver channels, then the magnitude.

    The result is Rician (Gudbjartsson & Patz, Magn Reson Med 34, 1995). ``severity`` 0..1 is RMS 0..0.40 of the anatomy's.
    """
    noise = rng.standard_normal(image.shape) + 1j * rng.standard_normal(image.shape)
    return np.abs(image + at_energy(noise, image, np.sqrt(2) * MOST_ENERGY * severity))


def coloured_noise(image: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Noise with its power at low spatial frequencies, as denoising filters and interpolation leave it.

    White noise whose spectrum is divided by the distance from the centre of k-space. ``severity`` as for white noise.
    """
    rows, columns = (np.fft.fftshift(np.fft.fftfreq(n)) for n in image.shape)
    distance = np.hypot(rows[:, None], columns[None, :])
    spectrum = to_kspace(rng.standard_normal(image.shape)) / (distance + 0.03)
    noise = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(spectrum), norm="ortho"))
    return np.abs(image + at_energy(noise.real, image, MOST_ENERGY * severity))
