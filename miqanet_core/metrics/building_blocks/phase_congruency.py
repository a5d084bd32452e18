"""Phase congruency: how far an image's frequency components are in phase, which they are at edges and lines.

Kovesi: Image features from phase congruency, Videre 1(3), 1999, with the noise threshold of his phasecong2 and the settings of
Zhang, Zhang, Mou, Zhang: FSIM, IEEE TIP 20, 2011.
"""

from __future__ import annotations

from math import log, pi, sqrt

import torch
from torch import Tensor

from miqanet_core.metrics.building_blocks.log_gabor import angular, frequencies, radial

SCALES, ORIENTATIONS = 4, 4
SHORTEST_WAVELENGTH, WAVELENGTH_RATIO, BANDWIDTH = 6.0, 2.0, 0.55
ANGULAR_SIGMA = pi / ORIENTATIONS / 1.2
# The lowpass that keeps the transfer functions off the corners of the frequency plane.
CUTOFF, SHARPNESS = 0.45, 15
# Energy below the noise's mean and this many deviations counts nothing.
NOISE_DEVIATIONS = 2.0
NOISE_SCALE = 1.7
LEAST_ENERGY = 1e-4


def phase_congruency(images: Tensor) -> Tensor:
    """Phase congruency of float64 images (B, 1, H, W): the same shape, 0..1."""
    radius, angle = frequencies(images)
    rows, columns = images.shape[-2:]
    lowpass_radius = radius.clone()
    lowpass_radius[0, 0] = 0
    lowpass = 1 / (1 + (lowpass_radius / CUTOFF) ** (2 * SHARPNESS))
    scales = [radial(radius, SHORTEST_WAVELENGTH * WAVELENGTH_RATIO**s, BANDWIDTH) * lowpass for s in range(SCALES)]
    spectrum = torch.fft.fft2(images)
    energies = torch.zeros_like(images)
    amplitudes = torch.zeros_like(images)
    for orientation in range(ORIENTATIONS):
        spread = angular(angle, orientation * pi / ORIENTATIONS, ANGULAR_SIGMA)
        filters = torch.stack([scale * spread for scale in scales])
        responses = torch.fft.ifft2(spectrum * filters)  # (B, scales, H, W)
        even, odd = responses.real, responses.imag
        whole_even, whole_odd = even.sum(1, keepdim=True), odd.sum(1, keepdim=True)
        length = (whole_even**2 + whole_odd**2 + 1e-20).sqrt() + LEAST_ENERGY
        mean_even, mean_odd = whole_even / length, whole_odd / length
        energy = (even * mean_even + odd * mean_odd - (even * mean_odd - odd * mean_even).abs()).sum(1, keepdim=True)

        amplitude = (even**2 + odd**2 + 1e-20).sqrt()
        kernels = torch.fft.ifft2(filters).real * sqrt(rows * columns)
        # sum of squares, and of products of different scales: what white noise gives through all scales together.
        alone = kernels.square().sum()
        together = (kernels.sum(0).square().sum() - alone) / 2
        power = amplitude[:, 0].flatten(1).square().quantile(0.5, 1) / -log(0.5) / filters[0].square().sum()
        tau = (power * (alone + 2 * together)).sqrt()
        threshold = tau * (sqrt(pi / 2) + NOISE_DEVIATIONS * sqrt(2 - pi / 2)) / NOISE_SCALE
        energies = energies + (energy - threshold[:, None, None, None]).clamp_min(0)
        amplitudes = amplitudes + amplitude.sum(1, keepdim=True)
    # Flat images have neither energy nor amplitude.
    return energies / (amplitudes + 1e-12)
