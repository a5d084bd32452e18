"""Checks on pairs whose order is known without any teacher: repeats averaged, lines removed, artefacts of equal energy."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np

from held_out import teacher_scores
from miqanet_core import artifacts
from miqanet_core.artifacts.kspace import at_energy, informative_extent, to_image, to_kspace
from miqanet_core.cli.demo import demo_file
from miqanet_core.readers import read_all_series
from miqanet_core.scorer import Scorer
from sources import Reference

# Of the anatomy's RMS: the energy at which artefacts are compared.
ENERGIES = (0.05, 0.1, 0.2)
COMPARED = ("coloured_noise", "white_noise", "edge_ghosting", "ghosting")
# Severity of the noise in each repeat, and how many repeats are averaged.
NOISE, AVERAGED = 0.6, (1, 2, 4, 8)
# The part of the informative lines that is left when lines are removed.
LINES_LEFT = (0.7, 0.5, 0.35)


def mean_score(scorer: Scorer, voxels: np.ndarray) -> float:
    """Of the slices with anatomy, 0..100."""
    return fmean(s.score for s in scorer.slices(voxels) if s.score is not None)


def averaging(scorer: Scorer) -> dict[str, Any]:
    """Two repeats of one EPI volume (nibabel's example) and their average: score of each, and slices where averaging won."""
    repeats = [series.voxels for series in read_all_series(demo_file())]
    average = np.mean(repeats, 0)
    alone = np.array([[s.score for s in scorer.slices(voxels)] for voxels in repeats], float)
    together = np.array([s.score for s in scorer.slices(average)], float)
    return {
        "repeats": [float(np.nanmean(scores)) for scores in alone],
        "average": float(np.nanmean(together)),
        "slices_won": float((together > alone.mean(0)).mean()),
    }


def noise_averaged(scorer: Scorer, references: Sequence[Reference], seed: int) -> dict[str, Any]:
    """Repeats of one slice with simulated noise of their own, averaged: mean score of each number, and steps that rise."""
    scores = np.array(
        [[s.score for s in scorer.slices(noisy_averages(each.image, seed + n))] for n, each in enumerate(references)], float
    )
    return {
        "severity": NOISE,
        "repeats": list(AVERAGED),
        "scores": [float(x) for x in scores.mean(0)],
        "rises": float((np.diff(scores, axis=1) > 0).mean()),
    }


def noisy_averages(image: np.ndarray, seed: int) -> np.ndarray:
    """The average of each of AVERAGED noisy repeats, of which larger numbers hold the smaller ones': (4, rows, columns)."""
    seeds = np.random.default_rng(seed).integers(2**31, size=max(AVERAGED))
    repeats = np.stack([artifacts.simulate(image, "white_noise", NOISE, int(each)) for each in seeds])
    return np.stack([repeats[:count].mean(0) for count in AVERAGED]).astype(np.float32)


def lines_removed(scorer: Scorer, references: Sequence[Reference]) -> dict[str, Any]:
    """Outer phase-encoding lines zeroed, one axis only, as a shorter acquisition: mean score whole, and with the lines left."""
    scores = np.array([[s.score for s in scorer.slices(shorter(reference.image))] for reference in references], float)
    return {
        "left": [1.0, *LINES_LEFT],
        "scores": [float(x) for x in scores.mean(0)],
        "falls": float((np.diff(scores, axis=1) < 0).mean()),
    }


def shorter(image: np.ndarray) -> np.ndarray:
    """The slice, then with each of LINES_LEFT of its rows' informative lines: (1 + 3, rows, columns)."""
    kspace, rows = to_kspace(image), image.shape[0]
    radius = np.abs(np.arange(rows) - rows // 2) / (informative_extent(image, 0) * rows / 2)
    return np.stack([image, *(to_image(kspace * (radius <= left)[:, None]) for left in LINES_LEFT)]).astype(np.float32)


def equal_energy(scorer: Scorer, references: Sequence[Reference], seed: int) -> dict[str, Any]:
    """Mean score and the teacher's of artefacts of one energy, by artefact and energy.

    People rate unstructured artefacts milder than structured ones, and coloured noise milder than white, at equal energy
    (Liu, Koonen, Fuderer & Heynderickx, IEEE TIP 25(7), 2016).
    """
    found: dict[str, dict[str, list[float]]] = {name: {"model": [], "teacher": []} for name in COMPARED}
    for number, reference in enumerate(references):
        for energy in ENERGIES:
            image = reference.image.astype(np.float64)
            distorted = []
            for name in COMPARED:
                pattern = artifacts.simulate(reference.image, name, 0.5, seed + number) - image
                distorted.append(np.abs(image + at_energy(pattern, image, energy)))
            stack = np.stack([image, *distorted]).astype(np.float32)
            for name, scored, truth in zip(COMPARED, scorer.slices(stack)[1:], teacher_scores(stack)[1:], strict=True):
                found[name]["model"].append(float(scored.score or np.nan))
                found[name]["teacher"].append(float(truth))
    return {name: {who: fmean(values) for who, values in of.items()} for name, of in found.items()}
