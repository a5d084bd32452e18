"""Is this input like what the model was trained on? MR of bodies is; photographs, CT, drawings, noise and phantoms are not.

The core is a distance in feature space: of each tile, the mean and the standard deviation of the CNN's channels
(:class:`NetworkOutput`), which learned to tell artefacts from anatomy. It adds up two things, both in the same principal
components:

* how like the tile is to known MR, clean and spoiled, rather than to known images that are none: kernel ridge regression with
  a Gaussian kernel, so that only near neighbours speak (outlier exposure, Hendrycks et al., ICLR 2019);
* how far it is from MR, whatever else it may be: Mahalanobis distance with a shrunk covariance (Lee et al., NeurIPS 2018;
  Ledoit and Wolf, J. Multivariate Analysis, 2004).

The distance of a slice is the mean over its tiles, that of a series the median over its scored slices: a series is refused when
more than half of its scored slices are unlike MR. Beside it stand a few facts that need no learning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from miqanet_core.errors import ModelError
from miqanet_core.series import COLOUR_NOTE, MRSeries

# Modalities the network was made for; "" is a format that does not say, and gets the benefit of the doubt.
ASSESSED = ("MR", "")
# A slice of an 8-bit MR image holds a hundred grey levels and more, one of a label map as many as there are labels in it.
FEWEST_VALUES = 32
# Hounsfield units of air are -1000; no MR reconstruction gives such values to a part of the image.
AIR_IN_CT, LEAST_AIR = -800.0, 0.02
# Slices of a series that are looked at for their values.
LOOKED_AT = 5
# Standard deviations beyond which a feature does not count any further: a few odd channels must not decide alone.
CLIP = 4.0
# Width of the Gaussian kernel, exp(-GAMMA |x - y|^2), on components whose squared lengths are about 1.
GAMMA = 0.5
# What one unit of the Mahalanobis distance (about 0.6 on MR) adds to the distance.
MAHALANOBIS_SHARE = 0.4


class InDomain(NamedTuple):
    """Whether a series is like the MR that the model knows, and the reason in words when it is not."""

    inside: bool
    reason: str | None


@dataclass(frozen=True, eq=False)
class Domain:
    """The distance from known MR, fitted by ``training/fit_domain.py``. F features, D components, N anchors.

    ``centre``, ``scale`` (F,): of MR's features, the standard deviations as logarithms. ``middle`` (F,), ``axes`` (F, D):
    principal components. ``anchors`` (N, D) and ``weights`` (N,): the kernel regression, -1 for MR, 1 for what is none, 0 for
    what is like no anchor. ``location`` (D,), ``precision`` (D, D): of MR. ``limit``: a series above it is refused.
    """

    centre: np.ndarray
    scale: np.ndarray
    middle: np.ndarray
    axes: np.ndarray
    anchors: np.ndarray
    weights: np.ndarray
    location: np.ndarray
    precision: np.ndarray
    limit: np.ndarray

    @classmethod
    def from_extras(cls, extras: Mapping[str, Tensor]) -> Domain | None:
        """What a weights file carries; None when nobody has shown these weights what is no MR."""
        if "domain.limit" not in extras:
            return None
        return cls(**{field.name: extras[f"domain.{field.name}"].double().numpy() for field in fields(cls)})

    def to_extras(self) -> dict[str, Tensor]:
        """The inverse of :meth:`from_extras`, the two large matrices in half precision: some 1.2 MB."""
        halved = ("axes", "anchors")
        kinds = {f.name: np.float16 if f.name in halved else np.float32 for f in fields(self)}
        return {f"domain.{name}": torch.from_numpy(np.array(getattr(self, name), kind)) for name, kind in kinds.items()}

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Of tiles: features (B, F) -> distances (B,): 0.3 to 1.2 on most MR, about 2 on what is none."""
        x = self.components(features)
        squared = (x**2).sum(1)[:, None] + (self.anchors**2).sum(1) - 2 * x @ self.anchors.T
        likeness = np.exp(-GAMMA * squared) @ self.weights
        away = x - self.location
        mahalanobis = np.sqrt(np.einsum("ij,jk,ik->i", away, self.precision, away, optimize=True) / x.shape[1])
        return np.asarray(1 + likeness + MAHALANOBIS_SHARE * mahalanobis)

    def components(self, features: np.ndarray) -> np.ndarray:
        """Features (B, F) -> principal components (B, D). ModelError when F is not the check's, as of older weights."""
        if features.shape[1] != len(self.centre):
            raise ModelError(
                f"the weights' in-domain check takes {len(self.centre)} features of a tile and this network gives "
                f"{features.shape[1]}; run training/finish.py on the weights again"
            )
        away = np.clip((with_log_deviations(features) - self.centre) / self.scale, -CLIP, CLIP)
        return np.asarray((away - self.middle) @ self.axes)

    def distance(self, slices: Sequence[np.ndarray]) -> float:
        """Of a series: the features of the tiles of each scored slice, each (tiles, F)."""
        per_tile = self.distances(np.concatenate(slices))
        starts = np.cumsum([0, *(len(s) for s in slices[:-1])])
        return float(np.median(np.add.reduceat(per_tile, starts) / [len(s) for s in slices]))

    def judge(self, slices: Sequence[np.ndarray]) -> InDomain:
        """Of a series: the features of the tiles of each scored slice, each (tiles, F), one slice at least."""
        distance, limit = self.distance(slices), float(self.limit)
        if distance <= limit:
            return InDomain(True, None)
        numbers = f"distance {distance:.2f}, limit {limit:.2f}"
        return InDomain(False, f"The images are unlike the MR that this model knows ({numbers}).")


def with_log_deviations(features: np.ndarray) -> np.ndarray:
    """Features (B, F), means then standard deviations -> the same with the standard deviations' logarithms, float64."""
    means, deviations = np.split(np.asarray(features, float), 2, axis=1)
    return np.concatenate([means, np.log(deviations + 1e-3)], 1)


def unlike_by_facts(series: MRSeries) -> str | None:
    """Why a series is no MR image of a body, where that needs no learning; None when nothing speaks against it."""
    if series.modality not in ASSESSED:
        return f"The modality is {series.modality}; this model judges MR only."
    if COLOUR_NOTE in series.notes:
        return "The images are in colour; this model judges grey MR images only."
    count = len(series.voxels)
    some = series.voxels[np.unique(np.linspace(0, count - 1, LOOKED_AT).round().astype(int))]
    if (some < AIR_IN_CT).mean() > LEAST_AIR:
        return "The values are Hounsfield units, as of a CT; this model judges MR only."
    values = max(len(np.unique(image)) for image in some)
    if 1 < values <= FEWEST_VALUES:
        return f"The slices hold no more than {values} different values, as a label map does; this model judges MR images only."
    return None
