"""Many tests at once: p values adjusted so that among all of them a false finding is as rare as in one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def holm(p: ArrayLike) -> np.ndarray:
    """Adjusted p values, (P,) -> (P,), 0..1: those below 0.05 are found at a family-wise error of 5 %, however tests depend.

    Source: Holm, A simple sequentially rejective multiple test procedure, Scand J Stat 6, 1979.
    """
    values = np.asarray(p, np.float64)
    order = np.argsort(values)
    adjusted = np.empty_like(values)
    # The smallest is weighed against all tests, the next against the rest; none may fall below one before it.
    adjusted[order] = np.maximum.accumulate(np.minimum(1, values[order] * np.arange(len(values), 0, -1)))
    return adjusted


def holm_of_pairs(p: np.ndarray) -> np.ndarray:
    """Holm's adjustment over the pairs of a symmetric matrix, (M, M) -> (M, M); each pair counts once, the diagonal is 1."""
    first, second = np.triu_indices(len(p), 1)
    adjusted = np.eye(len(p))
    adjusted[first, second] = adjusted[second, first] = holm(p[first, second])
    return adjusted
