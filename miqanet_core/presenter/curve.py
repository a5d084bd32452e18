"""Score over slice number, and the thresholds across it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from miqanet_core.policy import Policy
from miqanet_core.quality import Normal, SliceQuality


class Threshold(NamedTuple):
    """A line across the curve at ``value``, 0..100; ``of`` says whether series or slices are judged by it."""

    of: Literal["series", "slice"]
    value: float
    text: str


class ScoreCurve(NamedTuple):
    """``numbers`` (N,) int, slices from 1; ``scores`` (N,) float, 0..100, NaN where not scored; ``flagged`` (N,) bool."""

    numbers: np.ndarray
    scores: np.ndarray
    flagged: np.ndarray
    thresholds: tuple[Threshold, ...]


def score_curve(slices: Sequence[SliceQuality], policy: Policy, normal: Normal | None = None) -> ScoreCurve:
    """What is drawn of slices that were judged by ``policy``, and by ``normal`` where the site has a baseline."""
    return ScoreCurve(
        np.array([s.index + 1 for s in slices], int),
        np.array([np.nan if s.score is None else s.score for s in slices], float),
        np.array([s.flagged for s in slices], bool),
        thresholds(policy.fitted_to(normal)),
    )


def thresholds(policy: Policy) -> tuple[Threshold, ...]:
    """The lines of a policy, highest first; the policy is already fitted to what is normal at the site."""
    lines = (
        Threshold("series", policy.diagnostic, f"diagnostic series \N{GREATER-THAN OR EQUAL TO} {policy.diagnostic:g}"),
        Threshold("slice", policy.slice_flag, f"slice flagged < {policy.slice_flag:g}"),
        Threshold("series", policy.non_diagnostic, f"non-diagnostic < {policy.non_diagnostic:g}"),
    )
    return tuple(sorted(lines, key=lambda line: -line.value))


def slice_ticks(count: int) -> list[int]:
    """About eight round slice numbers, the first and the last among them."""
    if count <= 1:
        return [1] * count
    raw = count / 8
    size = 10 ** math.floor(math.log10(raw)) if raw >= 1 else 1
    step = next(max(int(size * m), 1) for m in (1, 2, 5, 10) if size * m >= raw)
    middle = [n for n in range(step, count, step) if n > 1 + step / 2 and n < count - step / 2]
    return [1, *middle, count]
