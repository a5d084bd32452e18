"""How far a series' score may be off: an interval whose coverage was measured on subjects that no training saw.

Split conformal prediction (Papadopoulos et al., ECML 2002; Vovk, ACML 2012), in three bands of the score, because the model is
better at the ends of its scale than in the middle. Below and above the score the errors are counted apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from miqanet_core.quality import Interval

BANDS = 3


@dataclass(frozen=True, eq=False)
class ScoreInterval:
    """``edges`` (BANDS - 1,): where one band of scores ends. ``below``, ``above`` (BANDS,): points to take off and to add."""

    edges: np.ndarray
    below: np.ndarray
    above: np.ndarray
    level: float

    @classmethod
    def from_extras(cls, extras: Mapping[str, Tensor]) -> ScoreInterval | None:
        """What a weights file carries; None when nobody has measured its errors."""
        if "interval.edges" not in extras:
            return None
        values = {name: extras[f"interval.{name}"].double().numpy() for name in ("edges", "below", "above")}
        return cls(**values, level=float(extras["interval.level"]))

    def to_extras(self) -> dict[str, Tensor]:
        """The inverse of :meth:`from_extras`."""
        values = {"edges": self.edges, "below": self.below, "above": self.above, "level": np.array(self.level)}
        return {f"interval.{name}": torch.from_numpy(value) for name, value in values.items()}

    def around(self, score: float) -> Interval:
        """The interval of a series' score, 0..100."""
        band = int(np.searchsorted(self.edges, score, side="right"))
        return Interval(max(0.0, score - float(self.below[band])), min(100.0, score + float(self.above[band])), self.level)


def fit(predicted: np.ndarray, truth: np.ndarray, level: float) -> ScoreInterval:
    """From series that no training saw: predicted and true scores (N,), 0..100, and the share to be covered, 0..1.

    ValueError when a band holds too few series for the level: at 0.9, nineteen.
    """
    edges = np.quantile(predicted, np.arange(1, BANDS) / BANDS)
    band = np.searchsorted(edges, predicted, side="right")
    miss = (1 - level) / 2
    below, above = [], []
    for b in range(BANDS):
        errors = np.sort(predicted[band == b] - truth[band == b])
        # The finite-sample rule: of n errors and the next one, each is as likely to be the k-th largest.
        rank = int(np.ceil((len(errors) + 1) * (1 - miss)))
        if rank > len(errors):
            raise ValueError(f"{len(errors)} series in a band of scores are too few for a level of {level:g}")
        below.append(max(0.0, errors[rank - 1]))
        above.append(max(0.0, -errors[len(errors) - rank]))
    return ScoreInterval(edges, np.array(below), np.array(above), level)
