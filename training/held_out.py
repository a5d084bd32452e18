"""Severity ladders on subjects that no training saw: what the model says of each rung, and what the teacher says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import joblib
import numpy as np
import torch
from rich.progress import track

from miqanet_core import artifacts
from miqanet_core.scorer import Scorer
from simulated import intensity_range
from sources import Reference
from teacher import judge

# The rungs of a ladder, besides the clean slice.
SEVERITIES = (0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0)
# From here on a degraded slice must score below the clean one.
PLAIN = 0.3
# What is random about the first ladder; each model is judged on the same ones, whatever the seed of its recipe.
FIRST_SEED = 1000
# What each image of a ladder is: the clean slice, then each artefact at each severity.
RUNGS: tuple[tuple[str, float], ...] = (
    ("", 0.0),
    *((name, severity) for name in artifacts.names() for severity in SEVERITIES),
)


@dataclass(frozen=True, eq=False)
class Ladder:
    """One clean slice and its degraded copies, as RUNGS lists them (N); :func:`rungs` with ``seed`` makes them again.

    ``score`` and ``teacher`` (N,): 0..100. ``presence`` (N, K) logits and ``severity`` (N, K) of the artefact head, mean over
    tiles; K is 0 without one.
    """

    reference: Reference
    seed: int
    score: np.ndarray
    teacher: np.ndarray
    presence: np.ndarray
    severity: np.ndarray

    def rungs_of(self, name: str) -> slice:
        """Where the rungs of one artefact are."""
        start = RUNGS.index((name, SEVERITIES[0]))
        return slice(start, start + len(SEVERITIES))


def rungs(image: np.ndarray, seed: int) -> np.ndarray:
    """The images of a ladder: float32 (N, rows, columns)."""
    return np.stack([artifacts.simulate(image, name, severity, seed) if name else image for name, severity in RUNGS]).astype(
        np.float32
    )


def teacher_scores(stack: np.ndarray) -> np.ndarray:
    """The teacher's score, 0..100, of each slice of ``stack`` against its first."""
    rows, columns = (side // 2 * 2 for side in stack.shape[1:])
    low, high = intensity_range(stack[0])
    images = torch.from_numpy((stack[:, None, :rows, :columns] - low) / (high - low)).float().clamp(0, 1)
    return np.array([100 * float(judge(image[None], images[:1], 1).score) for image in images])


def climb(scorer: Scorer, references: Sequence[Reference]) -> list[Ladder]:
    """A ladder on every reference. ValueError when a rung is not scored: leaving it out would flatter the model."""
    ladders = []
    seeds = [FIRST_SEED + number for number in range(len(references))]
    # The next ladders are made and judged while the network scores this one.
    made = joblib.Parallel(n_jobs=2, return_as="generator")(map(joblib.delayed(_made), references, seeds))
    for reference, ladder_seed, (stack, teacher) in track(
        zip(references, seeds, made, strict=True), "ladders", len(references)
    ):
        scored = scorer.slices(stack)
        if any(s.output is None for s in scored):
            raise ValueError(f"{reference.source.path}: a degraded slice was not scored; the figures would flatter the model")
        head = [[values.mean(0).numpy() for values in (s.output.presence, s.output.severity)] for s in scored if s.output]
        presence, severity = (np.stack(values) for values in zip(*head, strict=True))
        score = np.array([s.score for s in scored], float)
        ladders.append(Ladder(reference, ladder_seed, score, teacher, presence, severity))
    return ladders


def _made(reference: Reference, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The images of a ladder and the teacher's scores of them."""
    stack = rungs(reference.image, seed)
    return stack, teacher_scores(stack)
