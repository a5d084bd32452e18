"""A control chart of individual series: is a scanner still what it was?

Centre line: the median of a reference period, the first 20 to 50 series. Limits: median -+ 3 x 1.4826 x MAD (median absolute
deviation), which for normally distributed scores are three standard deviations (1 in 370 outside by chance), and which a few
bad series in the reference do not move (Rousseeuw & Croux, JASA 1993). The limits stay where the reference put them, so that a
slow drift does not carry them along. Signals: a score outside the limits, and eight in a row on one side of the centre line
(Western Electric's fourth rule, 1 in 128 by chance).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ENOUGH, MOST = 20, 50
RUN = 8
METHOD = (
    "Individuals chart. Centre: the median of the first {reference} series shown; limits: median \N{PLUS-MINUS SIGN} "
    "3 \N{MULTIPLICATION SIGN} 1.4826 \N{MULTIPLICATION SIGN} MAD of the same. They stay fixed for the series after."
)


@dataclass(frozen=True)
class ControlChart:
    """``centre``, ``low``, ``high``: 0..100, None when there are too few series (``note`` says so).

    ``reference``: how many of the first series gave the limits. ``outside``: indices of scores outside. ``runs``: first and
    last index of each run of eight or more on one side of the centre.
    """

    centre: float | None
    low: float | None
    high: float | None
    reference: int
    outside: tuple[int, ...]
    runs: tuple[tuple[int, int], ...]
    note: str


def control_chart(scores: Sequence[float]) -> ControlChart:
    """From the scores of one protocol on one scanner, 0..100, the oldest first."""
    count = len(scores)
    if count < ENOUGH:
        note = f"Too few series for control limits: {count} of {ENOUGH}. The points are shown, nothing is concluded from them."
        return ControlChart(None, None, None, 0, (), (), note)
    values = np.asarray(scores, dtype=float)
    reference = min(MOST, count)
    centre = float(np.median(values[:reference]))
    spread = 1.4826 * float(np.median(np.abs(values[:reference] - centre)))
    method = METHOD.format(reference=reference)
    if spread == 0:
        note = f"No control limits: more than half of the first {reference} series have the same score."
        return ControlChart(centre, None, None, reference, (), _runs(values - centre), note)
    low, high = centre - 3 * spread, centre + 3 * spread
    outside = tuple(int(i) for i in np.flatnonzero((values < low) | (values > high)))
    few = f" Only {count} series: limits from so few are rough." if count < MOST else ""
    return ControlChart(centre, max(0.0, low), min(100.0, high), reference, outside, _runs(values - centre), method + few)


def _runs(deviations: np.ndarray) -> tuple[tuple[int, int], ...]:
    found, start = [], 0
    for end in range(1, len(deviations) + 1):
        if end == len(deviations) or np.sign(deviations[end]) != np.sign(deviations[start]):
            if end - start >= RUN and deviations[start] != 0:
                found.append((start, end - 1))
            start = end
    return tuple(found)
