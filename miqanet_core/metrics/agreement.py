"""How well predicted quality agrees with people's: SROCC, PLCC, KRCC, RMSE, outliers, the mapping between scales, intervals.

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
from scipy.stats import kendalltau, norm, pearsonr, spearmanr
from scipy.stats import t as student

from miqanet_core.metrics.resamples import RESAMPLED

FigureName = Literal["SROCC", "PLCC", "KRCC", "RMSE"]
MappingName = Literal["logistic", "logistic5"]
PARAMETERS: dict[MappingName, int] = {"logistic": 4, "logistic5": 5}


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


FIGURES: dict[FigureName, Callable[[ArrayLike, ArrayLike], float]] = {"SROCC": srocc, "PLCC": plcc, "KRCC": krcc, "RMSE": rmse}


def outlier_ratio(predicted: ArrayLike, score: ArrayLike, standard_error: ArrayLike | None) -> float:
    """Share of images, 0..1, predicted worse than by twice the standard error of their mean opinion; map predictions first.

    ``standard_error``: (N,), of each image's score, > 0. ValueError when the set does not give it: nothing can take its place.
    Source: VQEG, Final report, FR-TV phase I, 2000.
    """
    x, y = _pair(predicted, score)
    if standard_error is None:
        raise ValueError("no outlier ratio: the set does not give the spread of its opinions")
    spread = np.asarray(standard_error, np.float64)
    if spread.shape != y.shape or not (np.isfinite(spread) & (spread > 0)).all():
        raise ValueError("no outlier ratio: it needs a standard error above zero for each score")
    return float(np.mean(np.abs(x - y) > 2 * spread))


@dataclass(frozen=True)
class Mapping:
    """A monotonic function from predicted quality to the scale of the opinion scores.

    ``kind`` and ``parameters``: "logistic" with b1, b2, b3, b4 of b2 + (b1 - b2) / (1 + exp(-(x - b3) / b4)), b4 > 0;
    "logistic5" with b1..b5 of b1 (1/2 - 1 / (1 + exp(b2 (x - b3)))) + b4 x + b5, b1 b2 and b4 of one sign; or "line" with slope
    and intercept. ``note``: why it is a line, empty for a logistic.
    """

    kind: MappingName | Literal["line"]
    parameters: tuple[float, ...]
    note: str = ""

    def __call__(self, predicted: ArrayLike) -> np.ndarray:
        """Predicted quality on the scale of the scores: float64, same shape."""
        x = np.asarray(predicted, np.float64)
        if self.kind == "line":
            slope, intercept = self.parameters
            return slope * x + intercept
        if self.kind == "logistic5":
            b1, b2, b3, b4, b5 = self.parameters
            return np.asarray(b1 * (expit(b2 * (x - b3)) - 0.5) + b4 * x + b5)
        b1, b2, b3, b4 = self.parameters
        return np.asarray(b2 + (b1 - b2) * expit((x - b3) / b4))


def fit_mapping(predicted: ArrayLike, score: ArrayLike, kind: MappingName = "logistic") -> Mapping:
    """VQEG's four-parameter logistic, fitted by least squares; it rises or falls as the ranks do, and never turns.

    Its ends lie at most the scores' range beyond them and its slope is bounded, so that a straight or a steep relation leads
    to no run-away parameters. "logistic5" adds a straight part, as Sheikh, Sabir & Bovik, IEEE TIP 15, 2006; theirs may turn,
    here both parts rise or both fall. With no more distinct predictions than parameters, or when the search fails, the
    least-squares line takes its place, and its ``note`` says so. ValueError when either is constant.
    """
    x, y = _varying(predicted, score)
    distinct = len(np.unique(x))
    if distinct <= PARAMETERS[kind]:
        return _line(x, y, f"a line instead of the logistic: only {distinct} distinct predictions")
    direction = -1.0 if spearmanr(x, y).statistic < 0 else 1.0
    middle, spread, low, height = x.mean(), x.std(), y.min(), np.ptp(y)
    z, v = direction * (x - middle) / spread, (y - low) / height

    def errors(p: np.ndarray) -> np.ndarray:
        return np.asarray(p[0] + p[1] * expit((z - p[2]) / np.exp(p[3])) + (p[4] * z if len(p) > 4 else 0) - v)

    # On the standardised scales: lower end, rise, centre, logarithm of the width, slope of the straight part.
    lowest, highest = [-1, 0, z.min() - 1, np.log(0.02), 0], [1, 3, z.max() + 1, np.log(10), 3 / np.ptp(z)]
    bounds = (lowest[: PARAMETERS[kind]], highest[: PARAMETERS[kind]])
    starts = [[0, 1, float(np.median(z)), np.log(width), 0.1][: PARAMETERS[kind]] for width in (0.1, 0.3, 1)]
    fits = [fit for start in starts if (fit := least_squares(errors, start, bounds=bounds)).success]
    if not fits:
        return _line(x, y, "a line instead of the logistic: the search for its parameters did not converge")
    end, rise, centre, width, *straight = min(fits, key=lambda fit: float(fit.cost)).x
    if straight:
        slope = direction * height * straight[0] / spread
        b2, b3 = direction / (spread * np.exp(width)), middle + direction * spread * centre
        b5 = low + height * (end + rise / 2) - slope * middle
        return Mapping(kind, tuple(map(float, (height * rise, b2, b3, slope, b5))))
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
    """Bootstrap interval of a figure, resampling whole clusters: images of one reference are not independent.

    ``clusters``: (N,), the reference of each image. ``level``: 0..1. One seed gives one interval. It reaches to either side by
    Student's t with clusters - 1 degrees times the resamples' standard error, its square taken clusters / (clusters - 1) times,
    on the scale of Fisher's z for a correlation and of the logarithm for an RMSE. A perfect figure has no width. Resamples in
    which the figure is not defined, such as one cluster drawn alone whose scores are equal, are left out. ValueError with fewer
    than two clusters, or when more than half of the resamples are left out. Takes memory for N x N and resamples x N numbers.

    With few clusters it is still too narrow: of 95 % intervals of 8 references, 86 to 95 % held the truth of simulated studies,
    the fewest where a method errs by content; of the plain percentiles of the resamples, 67 to 88 %.
    Sources: Field & Welsh, J R Stat Soc B 69, 2007; Cameron, Gelbach & Miller, Rev Econ Stat 90, 2008; Hesterberg, American
    Statistician 69, 2015.
    """
    x, y = _pair(predicted, score)
    names, members = np.unique(np.asarray(clusters), return_inverse=True)
    if len(members) != len(x):
        raise ValueError(f"{len(x)} predictions belong to {len(members)} clusters; give one cluster for each")
    count = len(names)
    if count < 2:
        raise ValueError("an interval clustered by reference needs at least two references")
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    values = RESAMPLED[figure](x, y, drawn[:, members].astype(np.float64))
    defined = values[np.isfinite(values)]
    if len(defined) < resamples / 2:
        raise ValueError(f"{figure} is not defined in {resamples - len(defined)} of {resamples} resamples")
    whole = float(RESAMPLED[figure](x, y, np.ones((1, len(x))))[0])
    # Two standard errors lie between these: unlike the standard deviation they bear a few resamples that agree perfectly.
    below, above = np.quantile(defined, (norm.cdf(-1), norm.cdf(1)))
    with np.errstate(divide="ignore"):
        centre, low, high = (np.log if figure == "RMSE" else _fisher_z)(np.array([whole, below, above]))
    if np.isinf(centre):
        return whole, whole
    reach = student.isf((1 - level) / 2, count - 1) * np.sqrt(count / (count - 1)) * (high - low) / 2
    ends = (np.exp if figure == "RMSE" else np.tanh)(centre + np.array([-reach, reach]))
    return float(ends[0]), float(ends[1])


def _fisher_z(correlation: np.ndarray) -> np.ndarray:
    # Rounding leaves perfect correlations a little short of one, or beyond.
    return np.arctanh(np.where(np.abs(correlation) > 1 - 1e-12, np.sign(correlation), correlation))


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
