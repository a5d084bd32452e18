"""The baseline that takes a minute: ridge regression on frozen features of EfficientNet-Lite0, pre-trained on photographs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import timm
import torch
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from backbones import fill_efficientnet_lite0
from miqanet_core.transforms import normalise, to_network

# Penalties tried, on standardised features.
ALPHAS = tuple(float(a) for a in 10.0 ** np.arange(0, 6.5, 0.5))


def features(images: Sequence[np.ndarray]) -> np.ndarray:
    """Mean and standard deviation over space of each channel of the five stages: float64 (N, 1024).

    ``images``: slices (rows, columns), each of its own size and intensity scale, seen at native resolution. ModelError when
    the package with the weights is absent.
    """
    backbone = _efficientnet_lite0()
    with torch.inference_mode():
        return np.stack([_pooled(backbone(to_network(torch.from_numpy(normalise(image[None]))))) for image in images])


def fit(x: np.ndarray, score: np.ndarray, groups: Sequence[str]) -> Callable[[np.ndarray], np.ndarray]:
    """A ridge regression of ``score`` (N,) on features ``x`` (N, F); call it with features (M, F) to get scores (M,).

    Features are standardised by those of ``x``. The penalty is the one with the least squared error on each of ``groups``,
    predicted from the others: with images of one content on both sides every penalty would look too small. ValueError with
    fewer than two groups.
    """
    ridge = make_pipeline(StandardScaler(), Ridge())
    search = GridSearchCV(ridge, {"ridge__alpha": ALPHAS}, cv=LeaveOneGroupOut(), scoring="neg_mean_squared_error")
    search.fit(x, score, groups=groups)
    return lambda other: np.asarray(search.predict(other))


@cache
def _efficientnet_lite0() -> Any:
    backbone = timm.create_model("tf_efficientnet_lite0", features_only=True)
    fill_efficientnet_lite0(backbone)
    return backbone.eval()


def _pooled(stages: list[Tensor]) -> np.ndarray:
    maps = [stage[0].flatten(1).double() for stage in stages]
    return torch.cat([pooled for m in maps for pooled in (m.mean(1), m.std(1, correction=0))]).numpy()
