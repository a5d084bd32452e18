"""Does one method predict the opinion scores more accurately than another? Tests of the variances of two methods' residuals.

The field's F test (VQEG; ITU-T J.149; Sheikh, Sabir & Bovik, IEEE TIP 15, 2006) takes both methods' residuals as normal and as
independent. They are those of the same images, so they rise and fall together and the F test finds too little: Pitman and
Morgan's test is its counterpart for such pairs. Both need normal residuals, and take images as independent. Where residuals are
not normal, or err by content, :func:`miqanet_core.metrics.significance.pairwise` of RMSE needs neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import f as fisher
from scipy.stats import kurtosis, shapiro
from scipy.stats import t as student

from miqanet_core.metrics.agreement import rmse
from miqanet_core.metrics.multiple_tests import holm_of_pairs


@dataclass(frozen=True, eq=False)
class VarianceTests:
    """All pairs of M methods, in the order of ``names``; matrices are (M, M), p values two-sided, those of ``_holm`` adjusted.

    ``ratio``: variance of the row's residuals over that of the column's. ``p``, ``p_holm``: F test. ``p_paired``,
    ``p_paired_holm``: Pitman and Morgan's test. ``kurtosis``: (M,), 3 for normal residuals. ``p_normal``: (M,), of Shapiro and
    Wilk's test. ``normal``: (M,), kurtosis within 2..4, the field's rule, and that p at least 0.05. ``valid``: both methods'
    residuals are normal; elsewhere the p values mean nothing.
    """

    names: tuple[str, ...]
    ratio: np.ndarray
    p: np.ndarray
    p_holm: np.ndarray
    p_paired: np.ndarray
    p_paired_holm: np.ndarray
    kurtosis: np.ndarray
    p_normal: np.ndarray
    normal: np.ndarray
    valid: np.ndarray


def residual_variance(mapped: Mapping[str, ArrayLike], score: ArrayLike) -> VarianceTests:
    """Test every pair of methods. ``mapped``: of each (N,) predictions on the scale of ``score``, (N,), N >= 3.

    ValueError, with the method's name, when the two do not fit or predictions are off by a constant. Beyond 5000 images scipy
    warns that Shapiro and Wilk's p is approximate. Sources beside the above: Pitman, Biometrika 31, 1939; Morgan, ibid.
    """
    residuals = np.array([_residuals(name, predicted, score) for name, predicted in mapped.items()])
    covariance = np.atleast_2d(np.cov(residuals))
    variance, count = np.diag(covariance), residuals.shape[1]
    ratio = variance[:, None] / variance
    p = 2 * np.minimum(fisher.cdf(ratio, count - 1, count - 1), fisher.sf(ratio, count - 1, count - 1))
    # Variances are equal when the sum of two residuals does not correlate with their difference.
    both = variance[:, None] + variance
    of_sum, of_difference = both + 2 * covariance, both - 2 * covariance
    alike = np.minimum(of_sum, of_difference) < 1e-12 * both
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = (variance[:, None] - variance) / np.sqrt(of_sum * of_difference)
        statistic = correlation * np.sqrt((count - 2) / np.maximum(1 - correlation**2, 0))
    p_paired = np.where(alike, 1.0, 2 * student.sf(np.abs(statistic), count - 2))
    peaked = kurtosis(residuals, axis=1, fisher=False)
    p_normal = np.array([shapiro(each).pvalue for each in residuals])
    normal = (peaked >= 2) & (peaked <= 4) & (p_normal >= 0.05)
    return VarianceTests(
        tuple(mapped),
        ratio,
        p,
        holm_of_pairs(p),
        p_paired,
        holm_of_pairs(p_paired),
        peaked,
        p_normal,
        normal,
        normal[:, None] & normal,
    )


def _residuals(name: str, predicted: ArrayLike, score: ArrayLike) -> np.ndarray:
    try:
        rmse(predicted, score)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    residuals = np.asarray(score, np.float64) - np.asarray(predicted, np.float64)
    if np.ptp(residuals) < 1e-12 * np.ptp(score):
        raise ValueError(f"{name}: predictions are off by one constant, so that residuals have no variance to test")
    return residuals
