"""Where the anatomy is: the part of a slice that can be scored at all."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

# Averaging 5 x 5 pixels of white noise leaves 1/25 of its variance; anatomy keeps most of it. A slice between the two
# has no structure that stands out of its noise, so there is nothing whose quality could be judged.
SMOOTHING_PIXELS = 5
LEAST_COHERENCE = 0.15
# Scanners and tools that smooth their images leave coherent noise where a stack reaches beyond the body: a few hundredths as
# bright as a slice of the body. The dimmest clean slices of the training subjects, at the top of a head, have a quarter.
LEAST_BRIGHTNESS = 0.1


def anatomy_mask(image: np.ndarray) -> np.ndarray:
    """Pixels of a slice that show anatomy rather than air: bool, same shape as ``image`` (rows, columns).

    The slice is averaged over 5 x 5 pixels and Otsu's threshold taken of the square root of the intensities, which keeps dark
    tissue beside bright tissue. All False when the slice is constant or nothing in it is more coherent than noise. Depends on
    this slice alone and not on its intensity scale.
    """
    low, high = np.percentile(image, (0.5, 99.8))
    if not high > low:
        return np.zeros(image.shape, bool)
    scaled = np.clip((image - low) / (high - low), 0, 1).astype(np.float32)
    smooth = ndimage.uniform_filter(scaled, SMOOTHING_PIXELS)
    if smooth.var() < LEAST_COHERENCE * scaled.var():
        return np.zeros(image.shape, bool)
    otsu = sitk.OtsuThreshold(sitk.GetImageFromArray(np.sqrt(np.maximum(smooth, 0))), 0, 1)  # a running mean rounds to below 0
    return sitk.GetArrayViewFromImage(otsu).astype(bool)


def within_body(stack: np.ndarray) -> np.ndarray:
    """Which slices of a stack (slices, rows, columns) are bright enough beside the others to show the body: bool (slices,).

    A slice's brightness is its 99th percentile above the stack's darkest; it is held against the upper quartile over the
    slices, so that neither many empty slices nor a few that are far too bright decide.
    """
    low, high = np.percentile(stack, (0.5, 99), axis=(1, 2))
    brightness = high - low.min()
    return np.asarray(brightness >= LEAST_BRIGHTNESS * np.quantile(brightness, 0.75))
