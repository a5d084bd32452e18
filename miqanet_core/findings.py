"""Which artefacts a slice shows: named only where the model is sure, "unclear" where it is not.

The network's artefact head gives a logit for each artefact. A network is surer of itself than it should be, above all on
people it never saw; a line fitted to held-out subjects turns its logits into probabilities that hold (Platt, Advances in Large
Margin Classifiers, 1999).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor

# An artefact this probable is named; one less probable than ABSENT is not mentioned; what lies between is unclear.
PRESENT, ABSENT = 0.8, 0.3


class Findings(NamedTuple):
    """``artifacts``: severity 0..1 of each artefact that is there. ``unclear``: those that may be there."""

    artifacts: dict[str, float]
    unclear: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ArtifactReader:
    """Turns the artefact head's output into words. ``names``: K artefacts; ``slope`` and ``offset`` (K,): the fitted line."""

    names: tuple[str, ...]
    slope: np.ndarray
    offset: np.ndarray

    @classmethod
    def from_extras(cls, names: tuple[str, ...], extras: Mapping[str, Tensor]) -> ArtifactReader | None:
        """What a weights file carries; None when its artefact head was never calibrated, and so is not to be believed."""
        if not names or "artifacts.line" not in extras:
            return None
        slope, offset = extras["artifacts.line"].double().numpy()
        return cls(names, slope, offset)

    def to_extras(self) -> dict[str, Tensor]:
        """The inverse of :meth:`from_extras`."""
        return {"artifacts.line": torch.from_numpy(np.stack([self.slope, self.offset]))}

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Logits (..., K) -> probabilities (..., K)."""
        return np.asarray(expit(self.slope * logits + self.offset))

    def read(self, logits: np.ndarray, severity: np.ndarray) -> Findings:
        """Of one slice: presence logits (K,) and severities (K,)."""
        found = list(zip(self.names, self.probabilities(logits), severity, strict=True))
        return Findings(
            {name: round(float(s), 4) for name, p, s in found if p >= PRESENT},
            tuple(name for name, p, _ in found if ABSENT <= p < PRESENT),
        )


def fit(names: tuple[str, ...], logits: np.ndarray, present: np.ndarray) -> ArtifactReader:
    """The line for each artefact, by maximum likelihood. ``logits`` (N, K); ``present`` (N, K), boolean.

    ValueError when an artefact is in all of the images or in none of them: nothing can be learnt of it then.
    """
    from scipy.optimize import minimize  # a third of a second that only training needs

    lines = []
    for name, x, y in zip(names, logits.T, present.T, strict=True):
        if y.all() or not y.any():
            raise ValueError(f"{name} is in {'all' if y.all() else 'none'} of the images")

        def loss(line: np.ndarray, x: np.ndarray = x, y: np.ndarray = y) -> float:
            z = np.exp(line[0]) * x + line[1]
            return float(np.mean(np.logaddexp(0, z) - y * z))

        best = minimize(loss, np.zeros(2), method="L-BFGS-B", bounds=[(-4, 2), (-10, 10)]).x
        lines.append((np.exp(best[0]), best[1]))
    slope, offset = np.array(lines).T
    return ArtifactReader(tuple(names), slope, offset)
