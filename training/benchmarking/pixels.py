"""The pixels of a rated image and of its undistorted one, on a common scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from miqanet_core.errors import InputError
from miqanet_core.readers.kinds import ENDINGS, Kind, ending
from miqanet_core.transforms.intensity import HIGH_PERCENTILE, LOW_PERCENTILE
from rated import RatedImage, read_image

_EIGHT_BITS = 255


def load(image: RatedImage) -> tuple[Tensor, Tensor | None]:
    """The image and its undistorted one, or None: float64 (1, 1, rows, columns), 0..1.

    Pictures of 8 bits are divided by 255. Others have no scale of their own: both are scaled by the percentiles that the
    network scales with, those of the undistorted image where there is one. InputError when they cannot be read or compared.
    """
    path, clean = image.path, image.reference_image
    pixels = [read_image(each).astype(np.float64) for each in (path, clean) if each is not None]
    if clean is not None and pixels[0].shape != pixels[1].shape:
        sizes = [f"{rows} x {columns}" for rows, columns in (each.shape for each in pixels)]
        raise InputError(
            path, f"is {sizes[0]}, but {clean} is {sizes[1]}", "a full-reference method needs the same pixels of both"
        )
    low, high = 0.0, float(_EIGHT_BITS)
    if not all(_is_picture(each) for each in (path, clean) if each is not None) or max(each.max() for each in pixels) > high:
        low, high = (float(x) for x in np.percentile(pixels[-1], (LOW_PERCENTILE, HIGH_PERCENTILE)))
    if any(each.min() == each.max() for each in pixels) or low == high:
        raise InputError(path, "or its undistorted image has pixels that are all alike", "leave it out of the rated images")
    scaled = [torch.from_numpy(np.clip((each - low) / (high - low), 0, 1))[None, None] for each in pixels]
    return scaled[0], scaled[1] if clean is not None else None


def _is_picture(path: Path) -> bool:
    return ending(path) == ".bmp" or ENDINGS.get(ending(path)) is Kind.PICTURE
