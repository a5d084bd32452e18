"""The figures of agreement of many resamples at once.

``x`` and ``y`` are (N,), ``times`` (R, N) how often each image was drawn, float64 -> (R,); NaN where a figure is not defined.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import rankdata


def _pearson(x: np.ndarray, y: np.ndarray, times: np.ndarray) -> np.ndarray:
    """``x`` and ``y`` may be (R, N) as well."""
    total = times.sum(1, keepdims=True)
    dx, dy = (values - (times * values).sum(1, keepdims=True) / total for values in (x, y))
    covariance, vx, vy = ((times * product).sum(1) for product in (dx * dy, dx**2, dy**2))
    varies = [np.where(times > 0, v, -np.inf).max(1) > np.where(times > 0, v, np.inf).min(1) for v in (x, y)]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(varies[0] & varies[1], covariance / np.sqrt(vx * vy), np.nan)


def _spearman(x: np.ndarray, y: np.ndarray, times: np.ndarray) -> np.ndarray:
    # The mean rank within a resample is how many were drawn below, and half of those drawn alike.
    ranks = [times @ ((v[:, None] < v) + 0.5 * (v[:, None] == v)) for v in (rankdata(x), rankdata(y))]
    return _pearson(ranks[0], ranks[1], times)


def _kendall(x: np.ndarray, y: np.ndarray, times: np.ndarray) -> np.ndarray:
    order_x, order_y = (np.sign(v[:, None] - v) for v in (x, y))

    def pairs(weight: np.ndarray) -> np.ndarray:
        return np.asarray(((times @ weight) * times).sum(1))

    with np.errstate(divide="ignore", invalid="ignore"):
        return pairs(order_x * order_y) / np.sqrt(pairs(order_x**2) * pairs(order_y**2))


def _root_mean_square(x: np.ndarray, y: np.ndarray, times: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt((times * (x - y) ** 2).sum(1) / times.sum(1)))


RESAMPLED: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "SROCC": _spearman,
    "PLCC": _pearson,
    "KRCC": _kendall,
    "RMSE": _root_mean_square,
}
