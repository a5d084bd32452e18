"""How well predicted quality agrees with people's: SROCC, PLCC, KRCC, RMSE, the mapping between the scales, and intervals.

The figures and the mapping are those of the Video Quality Experts Group (VQEG, Final report on the validation of objective
models of video quality assessment, FR-TV phase II, 2003): order by Spearman's and Kendall's rank correlation, accuracy by
Pearson's correlation and the root mean squared error, the latter two after a monotonic mapping onto the opinion scores' scale.

Everywhere ``predicted`` and ``score`` are (N,), N >= 3, finite, in the same order. ValueError says what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import least_squares
from scipy.special import expit
from scipy.stats import kendalltau, pearsonr, rankdata, spearmanr

FigureName = Literal["SROCC", "PLCC", "KRCC", "RMSE"]

# Four parameters need at least one point more.
LEAST_POINTS = 5


def srocc(predicted: ArrayLike, score: ArrayLike) -> float:
    """Spearman's rank-order correlation, -1..1; ties share their mean rank. ValueError when either is constant."""
    return float(spearmanr(*_varying(predicted, score)).statistic)


def krcc(predicted: ArrayLike, score: ArrayLike) -> float:
    """Kendall's rank correlation tau-b, -1..1: allows for ties. ValueError when either is constant."""
    return float(kendalltau(*_varying(predicted, score)).statistic)


def plcc(predicted: ArrayLike, score: ArrayLike) -> float:
    """Pearson's linear correlation, -1..1, of what it is given: map it first. ValueError when either is constant."""
    return float(pearsonr(*_varying(predicted, score)).statistic)


def rmse(predicted: ArrayLike, score: ArrayLike) -> float:
    """Root mean squared error, >= 0, in units of the scores."""
    x, y = _pair(predicted, score)
    return float(np.sqrt(np.mean((x - y) ** 2)))


@dataclass(frozen=True)
class Mapping:
    """A monotonic function from predicted quality to the scale of the opinion scores.

    ``kind`` and ``parameters``: "logistic" with b1, b2, b3, b4 of b2 + (b1 - b2) / (1 + exp(-(x - b3) / b4)), b4 > 0; or "line"
    with slope and intercept. ``note``: why it is a line, empty for a logistic.
    """

    kind: Literal["logistic", "line"]
    parameters: tuple[float, ...]
    note: str = ""

    def __call__(self, predicted: ArrayLike) -> np.ndarray:
        """Predicted quality on the scale of the scores: float64, same shape."""
        x = np.asarray(predicted, np.float64)
        if self.kind == "line":
            slope, intercept = self.parameters
            return slope * x + intercept
        b1, b2, b3, b4 = self.parameters
        return np.asarray(b2 + (b1 - b2) * expit((x - b3) / b4))


def fit_mapping(predicted: ArrayLike, score: ArrayLike) -> Mapping:
    """VQEG's four-parameter logistic, fitted by least squares; it rises or falls as the ranks do, and never turns.

    Its ends lie at most the scores' range beyond them and its slope is bounded, so that a straight or a steep relation leads
    to no run-away parameters. With fewer than five distinct predictions, or when the search fails, the least-squares line
    takes its place, and its ``note`` says so. ValueError when either is constant.
    """
    x, y = _varying(predicted, score)
    distinct = len(np.unique(x))
    if distinct < LEAST_POINTS:
        return _line(x, y, f"a line instead of the logistic: only {distinct} distinct predictions")
    direction = -1.0 if spearmanr(x, y).statistic < 0 else 1.0
    middle, spread, low, height = x.mean(), x.std(), y.min(), np.ptp(y)
    z, v = direction * (x - middle) / spread, (y - low) / height

    def errors(p: np.ndarray) -> np.ndarray:
        return np.asarray(p[0] + p[1] * expit((z - p[2]) / np.exp(p[3])) - v)

    # On the standardised scales: lower end, rise, centre, logarithm of the width.
    bounds = ([-1, 0, z.min() - 1, np.log(0.02)], [1, 3, z.max() + 1, np.log(10)])
    starts = [[0, 1, float(np.median(z)), np.log(width)] for width in (0.1, 0.3, 1)]
    fits = [fit for start in starts if (fit := least_squares(errors, start, bounds=bounds)).success]
    if not fits:
        return _line(x, y, "a line instead of the logistic: the search for its parameters did not converge")
    end, rise, centre, width = min(fits, key=lambda fit: float(fit.cost)).x
    ends = (low + height * (end + rise), low + height * end)  # upper, lower
    b1, b2 = ends if direction > 0 else ends[::-1]
    parameters = (b1, b2, middle + direction * spread * centre, spread * np.exp(width))
    return Mapping("logistic", tuple(map(float, parameters)))


def interval(
    figure: FigureName,
    predicted: ArrayLike,
    score: ArrayLike,
    clusters: Sequence[str],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 20,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a figure, resampling whole clusters: images of one reference are not independent.

    ``clusters``: (N,), the reference of each image. ``level``: 0..1. One seed gives one interval. Resamples in which the figure
    is not defined, such as one cluster drawn alone whose scores are equal, are left out. With few clusters (fewer than about
    ten) such an interval is known to be too narrow. ValueError with fewer than two clusters, or when more than half of the
    resamples are left out. Takes memory for N x N and resamples x N numbers. Source: Field & Welsh, J R Stat Soc B 69, 2007.
    """
    x, y = _pair(predicted, score)
    names, members = np.unique(np.asarray(clusters), return_inverse=True)
    if len(members) != len(x):
        raise ValueError(f"{len(x)} predictions belong to {len(members)} clusters; give one cluster for each")
    if len(names) < 2:
        raise ValueError("an interval clustered by reference needs at least two references")
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), resamples)
    values = _FIGURES[figure](x, y, drawn[:, members].astype(np.float64))
    defined = values[np.isfinite(values)]
    if len(defined) < resamples / 2:
        raise ValueError(f"{figure} is not defined in {resamples - len(defined)} of {resamples} resamples")
    low, high = np.quantile(defined, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def _pair(predicted: ArrayLike, score: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(predicted, np.float64), np.asarray(score, np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"predictions {x.shape} and scores {y.shape} must be one number for each image")
    if len(x) < 3:
        raise ValueError(f"{len(x)} images are too few to speak of agreement; three are needed")
    for name, values in (("predictions", x), ("scores", y)):
        if not np.isfinite(values).all():
            raise ValueError(f"{np.count_nonzero(~np.isfinite(values))} of the {len(values)} {name} are not finite")
    return x, y


def _varying(predicted: ArrayLike, score: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    x, y = _pair(predicted, score)
    for name, values in (("predictions", x), ("scores", y)):
        if values.min() == values.max():
            raise ValueError(f"all {len(values)} {name} are {values[0]:g}: agreement with a constant is not defined")
    return x, y


def _line(x: np.ndarray, y: np.ndarray, note: str) -> Mapping:
    slope, intercept = np.polyfit(x, y, 1)
    return Mapping("line", (float(slope), float(intercept)), note)


# The figures again, of many resamples at once: x and y are (N,), ``times`` (R, N) how often each image was drawn -> (R,).


def _pearson(x: np.ndarray, y: np.ndarray, times: np.ndarray) -> np.ndarray:
    """NaN where what was drawn is constant. ``x`` and ``y`` may be (R, N) as well."""
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


_FIGURES: dict[FigureName, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "SROCC": _spearman,
    "PLCC": _pearson,
    "KRCC": _kendall,
    "RMSE": _root_mean_square,
}
