"""QI1 and QI2: artefacts in air, and how far the noise of the other air is from what coils give.

Mortamet et al.: Automatic quality assessment in structural brain magnetic resonance imaging, Magnetic Resonance in Medicine 62,
2009, as MRIQC's ``qi_1`` and ``qi_2``. MRIQC looks at a volume's air above the nose; here all of a slice's air counts, and
structuring elements have two dimensions.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from scipy.stats import chi
from torch import Tensor

from miqanet_core.metrics.no_reference.regions import foreground

# Air brighter than its median by this many median absolute deviations is an artefact, at this share of the largest distance
# from the anatomy or further.
ARTEFACT_SCORE, LEAST_DISTANCE = 10.0, 0.1
# MRIQC's least numbers of pixels in air that are not 0, to look for artefacts and to fit noise to.
LEAST_AIR, LEAST_NOISE = 100, 1000
# What makes the median absolute deviation of a Gaussian its standard deviation.
GAUSSIAN_DEVIATION = 1.4826
# MRIQC's number of coils: the starting point of the fit.
COILS = 12


def _artefacts(image: np.ndarray, air: np.ndarray) -> np.ndarray:
    """Where air (H, W) holds artefacts."""
    values = image[air & (image > 0)]
    if len(values) < LEAST_AIR:
        return np.zeros_like(air)
    median = np.median(values)
    spread = GAUSSIAN_DEVIATION * np.median(np.abs(values - median))
    distance = ndimage.distance_transform_edt(air)
    far = distance >= LEAST_DISTANCE * distance.max()
    bright = air & (image - median > ARTEFACT_SCORE * spread) & far
    return ndimage.binary_opening(bright, ndimage.generate_binary_structure(2, 1)) & air


def _slices(images: Tensor) -> list[tuple[np.ndarray, np.ndarray]]:
    masks = foreground(images).cpu().numpy()
    return list(zip(images[:, 0].detach().double().cpu().numpy(), ~masks, strict=True))


def _misfit(values: np.ndarray) -> float:
    """Mean distance of the histogram of noise from a fitted chi density, right of where it has fallen to half its peak."""
    density, edges = np.histogram(values, bins="doane", range=(0.0, np.percentile(values, 99.9)), density=True)
    places = edges[:-1]
    fitted = chi.pdf(places, *chi.fit(values, 2 * COILS, loc=places[density.argmax()]))
    below = np.flatnonzero(density[density.argmax() + 1 :] < density.max() / 2)
    first = density.argmax() + 1 + below[0] if len(below) else 0
    return float(np.abs(density[first:] - fitted[first:]).mean())


def qi1(images: Tensor) -> Tensor:
    """QI1, the part of air that artefacts take: grey (B, 1, H, W) -> (B,), 0..1, lower is better; float64.

    Does not depend on the intensity scale. NaN without anatomy or without air; 0 where air is blanked.
    """
    found = []
    for image, air in _slices(images):
        known = air.any() and not air.all()
        found.append(_artefacts(image, air).sum() / air.sum() if known else np.nan)
    return torch.tensor(found, dtype=torch.float64, device=images.device)


def qi2(images: Tensor) -> Tensor:
    """QI2, the misfit of the noise in air without artefacts to a chi density: grey (B, 1, H, W) -> (B,), 0..1, lower is better.

    Intensities are scaled to 1000 at the anatomy's median first, as MRIQC scales white matter. Float64. NaN without anatomy,
    and where fewer than 1000 pixels of air are not 0, as scanners that blank it leave it (MRIQC says 0).
    """
    found = []
    for image, air in _slices(images):
        quiet = ndimage.binary_erosion(air & ~_artefacts(image, air), ndimage.generate_binary_structure(2, 2))
        values = image[quiet & (image > 0)]
        if air.all() or len(values) < LEAST_NOISE:
            found.append(np.nan)
        else:
            found.append(min(1.0, _misfit(values * 1000 / np.median(image[~air]))))
    return torch.tensor(found, dtype=torch.float64, device=images.device)
