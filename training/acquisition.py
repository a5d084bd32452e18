"""Other acquisitions of the same anatomy: what is clean looks different from scanner to scanner, and is clean all the same."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from miqanet_core import artifacts
from miqanet_core.artifacts.kspace import informative_extent, to_image, to_kspace
from miqanet_core.transforms.anatomy import anatomy_mask
from miqanet_core.transforms.intensity import HIGH_PERCENTILE

# Larger matrices are reduced first: their tiles would show little but one tissue.
LARGEST_MATRIX = 512
# The part of its informative lines that a reference keeps at least.
LEAST_MATRIX = 0.5
# How often a slice stays as the scanner made it.
AS_IT_IS = 0.4
# An axis may get a wider field of view when less of its outer tenth than this is anatomy.
AIR_AT_THE_EDGE = 0.02
# A smaller field of view keeps at least this part of an axis, but no fewer lines than LEAST_LINES.
LEAST_FIELD_OF_VIEW, LEAST_LINES = 0.5, 144
# What passes for clean at most: severity of white noise and of shading, depth of the k-space filter at the band's edge.
MOST_NOISE, MOST_SHADING, MOST_FILTER = 0.12, 0.15, 0.8


def another_acquisition(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A slice as another protocol or scanner might have made it: float32, another matrix, not negative.

    Drawn one by one: a smaller matrix, which takes away the noise and the zero-filled lines of the original; a wider field of
    view; another contrast; mild shading; a k-space filter; thermal noise; interpolation by zero filling; a smaller field of
    view, which anatomy fills as it does in many scans of bodies. A model that has seen all of these called clean cannot take
    smoothness for quality, nor noise alone for its lack.
    """
    if max(image.shape) <= LARGEST_MATRIX and rng.random() < AS_IT_IS:
        return image.astype(np.float32)
    if max(image.shape) > LARGEST_MATRIX or rng.random() < 0.6:
        image = reduce_matrix(image, LEAST_MATRIX, rng)
    if rng.random() < 0.4:
        image = wider_field_of_view(image, rng)
    if rng.random() < 0.6:
        image = another_contrast(image, rng)
    if rng.random() < 0.3:
        image = artifacts.simulate(image, "bias_field", rng.uniform(0, MOST_SHADING), int(rng.integers(2**31)))
    if rng.random() < 0.3:
        image = filtered(image, rng.uniform(0, MOST_FILTER))
    if rng.random() < 0.5:
        image = artifacts.simulate(image, "white_noise", MOST_NOISE * rng.random() ** 1.5, int(rng.integers(2**31)))
    if rng.random() < 0.35:
        image = zero_filled(image, rng.uniform(1.1, 2.0))
    if rng.random() < 0.4:
        image = smaller_field_of_view(image, rng)
    return image.astype(np.float32)


def reduce_matrix(image: np.ndarray, least: float, rng: np.random.Generator) -> np.ndarray:
    """A cleaner reference out of a real slice: only the centre of its k-space, so less noise and no zero-filled lines.

    Keeps ``least``..1 of the informative lines, drawn, but never more than 512 and never less than 128.
    """
    kspace = to_kspace(image)
    part = rng.uniform(least, 1.0)
    for axis, size in enumerate(image.shape):
        wanted = np.clip(size * informative_extent(image, axis) * part, min(128, size), LARGEST_MATRIX)
        keep = int(wanted / 2) * 2
        start = size // 2 - keep // 2
        kspace = np.take(kspace, np.arange(start, start + keep), axis)
    return to_image(kspace)


def wider_field_of_view(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """More air on both sides of one axis, up to twice its size but never beyond 512: ghosts may then lie beside the anatomy.

    The air is drawn from what the image shows in the outer tenth of that axis. An axis whose anatomy reaches its edge stays as
    it is: nothing tells how the anatomy goes on.
    """
    axis = int(rng.integers(2))
    size = image.shape[axis]
    edge = max(1, size // 20)
    outer = np.r_[:edge, size - edge : size]
    pad = max(0, int(min(size * rng.uniform(1.1, 2.0), LARGEST_MATRIX)) - size) // 2
    if np.take(anatomy_mask(image), outer, axis).mean() > AIR_AT_THE_EDGE:
        return image
    air = np.take(image, outer, axis).ravel()
    shape = list(image.shape)
    shape[axis] = pad
    return np.concatenate([rng.choice(air, shape), image, rng.choice(air, shape)], axis)


def smaller_field_of_view(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Part of an image at its own resolution, as a scanner gives it that discards the oversampled lines.

    Stays as it is where what was drawn shows less anatomy than the whole does.
    """
    drawn = []
    for size in image.shape:
        keep = min(size, max(LEAST_LINES, round(size * rng.uniform(LEAST_FIELD_OF_VIEW, 1.0))))
        start = int(rng.integers(size - keep + 1))
        drawn.append(slice(start, start + keep // 2 * 2))
    mask = anatomy_mask(image)
    part = tuple(drawn)
    return image[part] if mask[part].mean() >= mask.mean() else image


def another_contrast(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Intensities sent through a smooth random curve from 0 that need not rise everywhere: bright tissue may turn dark."""
    top = float(np.percentile(image, HIGH_PERCENTILE)) or 1.0
    steps = rng.exponential(1.0, 5)
    if rng.random() < 0.4:  # an inversion somewhere above the background
        steps[rng.integers(2, 5)] *= -0.6
    values = np.concatenate([[0.0], np.cumsum(steps)])
    curve = PchipInterpolator(np.linspace(0, 1, 6), np.maximum(values, 0) / values.max(), extrapolate=False)
    return top * np.asarray(curve(np.clip(image / top, 0, 1)))


def filtered(image: np.ndarray, depth: float) -> np.ndarray:
    """A raised-cosine window over the informative lines, 1 in the centre and 1 - ``depth`` at their edge: less ringing."""
    kspace = to_kspace(image)
    for axis, size in enumerate(image.shape):
        radius = np.abs(np.arange(size) - size // 2) / (informative_extent(image, axis) * size / 2)
        window = 1 - depth * (1 - np.cos(np.pi * np.clip(radius, 0, 1))) / 2
        kspace *= np.expand_dims(window, 1 - axis)
    return to_image(kspace)


def zero_filled(image: np.ndarray, factor: float) -> np.ndarray:
    """Interpolated to ``factor`` times the matrix, but never beyond 512, by zeros around its k-space."""
    pad = []
    for size in image.shape:
        more = max(0, int(min(size * factor, LARGEST_MATRIX)) - size) // 2
        pad.append((more, more))
    return to_image(np.pad(to_kspace(image), pad))
