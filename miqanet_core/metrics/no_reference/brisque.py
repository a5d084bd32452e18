"""BRISQUE: quality of photographs, learned from opinions on distorted ones, out of their local statistics.

Mittal, Moorthy, Bovik: No-reference image quality assessment in the spatial domain, IEEE TIP 21, 2012. Its regression was
trained on the LIVE database of photographs; refitting it to MR needs MR images with opinion scores and is not offered.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from miqanet_core.metrics.no_reference.fitted import shipped
from miqanet_core.metrics.no_reference.natural_scene import (
    asymmetric_density,
    halved,
    neighbour_products,
    normalised,
    symmetric_density,
)


@dataclass(frozen=True, eq=False)
class BrisqueModel:
    """A support vector regression with a radial kernel, on features scaled to -1..1; all float64.

    ``lowest`` and ``highest`` (36,) are scaled to -1 and 1; ``vectors`` (N, 36), ``weights`` (N,), ``gamma`` and ``offset`` ()
    give the score sum(weights * exp(-gamma * |features - vectors|^2)) - offset.
    """

    lowest: Tensor
    highest: Tensor
    vectors: Tensor
    weights: Tensor
    gamma: Tensor
    offset: Tensor


def published_brisque() -> BrisqueModel:
    """The authors' regression of 774 support vectors; another of 770 is in use too, whose scores differ by about 10."""
    return shipped(BrisqueModel, "brisque_natural")


def _features(image: Tensor) -> Tensor:
    """Eighteen numbers of each normalised image (B, 1, H, W): (B, 18)."""
    found = [*symmetric_density(image.flatten(1))]
    for products in neighbour_products(image[:, 0]):
        density = asymmetric_density(products)
        found += [density.shape, density.mean, density.left**2, density.right**2]
    return torch.stack(found, -1)


def brisque_features(images: Tensor) -> Tensor:
    """The 36 features of grey images (B, 1, H, W) in 0..1, at full and at half size: (B, 36), float64."""
    luminance = images.double() * 255
    return torch.cat([_features(normalised(x, "constant").image) for x in (luminance, halved(luminance))], -1)


def brisque(images: Tensor) -> Tensor:
    """BRISQUE of grey images (B, 1, H, W) in 0..1 -> (B,), about 0 (best) to 100, lower is better; float64.

    NaN for an image without contrast. Agrees with the authors' program to 0.002 on 8-bit grey images; to 2.2 where parts are
    saturated, since flat pixels are left out here.
    """
    model = published_brisque()
    lowest, highest, vectors, weights, gamma, offset = (getattr(model, field.name).to(images.device) for field in fields(model))
    scaled = 2 * (brisque_features(images) - lowest) / (highest - lowest) - 1
    distance = (scaled[:, None] - vectors).square().sum(-1)
    return (weights * torch.exp(-gamma * distance)).sum(-1) - offset
