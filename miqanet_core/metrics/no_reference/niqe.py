"""NIQE: how far an image's local statistics are from those of pristine images.

Mittal, Soundararajan, Bovik: Making a "completely blind" image quality analyzer, IEEE Signal Processing Letters 20, 2013.
The published model describes 125 photographs; MR is none. :func:`fit_niqe` makes a model of pristine MR instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from miqanet_core.metrics.no_reference.fitted import shipped
from miqanet_core.metrics.no_reference.natural_scene import blocks, halved, normalised, spatial_features

# Side of the blocks that are described one by one, in pixels.
BLOCK = 96
# A pristine block counts when its mean local deviation reaches this part of its image's sharpest block.
SHARPNESS = 0.75
FEATURES = 36


@dataclass(frozen=True, eq=False)
class NiqeModel:
    """The Gaussian of pristine blocks' features: ``mean`` (36,) and ``covariance`` (36, 36), float64."""

    mean: Tensor
    covariance: Tensor


def published_niqe() -> NiqeModel:
    """The authors' model of natural photographs."""
    return shipped(NiqeModel, "niqe_natural")


def niqe_features(images: Tensor) -> tuple[Tensor, Tensor]:
    """Features (B, N, 36) of the blocks of grey images (B, 1, H, W) in 0..1, and their sharpness (B, N), 0..255.

    Blocks are 96 x 96 pixels, and 48 x 48 at half the size; what is left at the bottom and right is not looked at. A block
    without contrast has NaN among its features.
    """
    rows, columns = (side // BLOCK * BLOCK for side in images.shape[-2:])
    luminance = images[..., :rows, :columns].double() * 255
    whole, half = normalised(luminance, "replicate"), normalised(halved(luminance), "replicate")
    features = spatial_features(blocks(whole.image, BLOCK)) + spatial_features(blocks(half.image, BLOCK // 2))
    return torch.stack(features, -1), blocks(whole.deviation, BLOCK).mean((-2, -1))


def _gaussian(features: Tensor) -> NiqeModel:
    """Mean of the defined features, and covariance of the blocks that have all of them."""
    complete = features[~features.isnan().any(-1)]
    covariance = torch.cov(complete.t()) if len(complete) > 1 else complete.new_full((FEATURES, FEATURES), torch.nan)
    return NiqeModel(features.nanmean(0), covariance)


def niqe(images: Tensor, model: NiqeModel | None = None) -> Tensor:
    """NIQE of grey images (B, 1, H, W) in 0..1 -> (B,), 0 or more, lower is better; float64.

    ``model``: of pristine images; None is :func:`published_niqe`. At least 192 x 96 pixels (two blocks). NaN for an image with
    fewer than two blocks that have any contrast. Agrees with the authors' MATLAB program to four
    decimals on 8-bit grey images; to 0.04 where parts are saturated, since flat pixels are left out here.
    """
    model = model or published_niqe()
    mean, covariance = model.mean.to(images.device), model.covariance.to(images.device)
    scores = []
    for features in niqe_features(images)[0]:
        own = _gaussian(features)
        if own.covariance.isnan().any():
            scores.append(own.mean.new_tensor(torch.nan))
            continue
        difference = mean - own.mean
        precision = torch.linalg.pinv((covariance + own.covariance) / 2, hermitian=True)
        scores.append((difference @ precision @ difference).clamp_min(0).sqrt())
    return torch.stack(scores)


def niqe_mr(images: Tensor) -> Tensor:
    """:func:`niqe` with a model fitted here, by training/refit_natural_scene.py, to clean MR."""
    return niqe(images, shipped(NiqeModel, "niqe_mr"))


def fit_niqe(images: Iterable[Tensor]) -> NiqeModel:
    """A model of pristine grey images, each (1, 1, H, W) in 0..1 and of any size from 96 x 96.

    Of each image the blocks count that are at least 0.75 times as sharp as its sharpest. Raises ValueError when fewer than 37
    are left: 36 features have no covariance then.
    """
    kept = []
    for image in images:
        features, sharpness = niqe_features(image)
        chosen = features[sharpness >= SHARPNESS * sharpness.amax(1, keepdim=True)]
        kept.append(chosen[~chosen.isnan().any(-1)])
    pristine = torch.cat(kept) if kept else torch.empty(0, FEATURES)
    if len(pristine) <= FEATURES:
        raise ValueError(
            f"a NIQE model needs more than {FEATURES} sharp blocks of 96 x 96 pixels, got {len(pristine)}; add images"
        )
    return _gaussian(pristine)
