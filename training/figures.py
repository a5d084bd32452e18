"""The figures of the model card, from ladders on held-out subjects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean, median
from typing import Any

import numpy as np
from scipy.stats import kendalltau, spearmanr
from sklearn.metrics import roc_auc_score

from held_out import PLAIN, RUNGS, SEVERITIES, Ladder
from miqanet_core import artifacts, findings, uncertainty
from sources import Source

# Share of the cases that the shipped interval is to cover.
LEVEL = 0.9
# Points by which a score may rise from the clean slice or a milder artefact to a severer one before it is told.
RISE = 10.0
# Resamplings of the subjects for an interval of a figure.
RESAMPLINGS = 2000


def scores_along(ladder: Ladder, name: str) -> np.ndarray:
    """The score of the clean slice, then of an artefact's rungs from mild to severe, (1 + len(SEVERITIES),)."""
    return np.concatenate([ladder.score[:1], ladder.score[ladder.rungs_of(name)]])


def tau(ladder: Ladder, name: str) -> float:
    """Kendall's tau of falling score against severity, 1 when every rung scores below the one before."""
    return float(-kendalltau([0, *SEVERITIES], scores_along(ladder, name)).statistic)


def clean_above(ladder: Ladder, name: str) -> float:
    """The share of an artefact's plain rungs that score below the clean slice."""
    plain = np.array(SEVERITIES) >= PLAIN
    return float((ladder.score[ladder.rungs_of(name)][plain] < ladder.score[0]).mean())


def rises(ladder: Ladder, name: str) -> bool:
    """Whether a rung scores higher than a milder one, or than the clean slice, by more than a reader would call the same."""
    scores = scores_along(ladder, name)
    return bool((scores - np.minimum.accumulate(scores)).max() > RISE)


def srocc(ladders: Sequence[Ladder]) -> float:
    """Rank correlation with the teacher over all images of one subject, its slices and series together."""
    score, teacher = (np.concatenate(x) for x in zip(*((each.score, each.teacher) for each in ladders), strict=True))
    return float(spearmanr(score, teacher).statistic)


def srocc_within(ladders: Sequence[Ladder]) -> float:
    """The same within each slice, and the mean: the teacher cannot tell which of two clean slices is better."""
    return fmean(float(spearmanr(each.score, each.teacher).statistic) for each in ladders)


def by(ladders: Sequence[Ladder], key: Callable[[Source], str]) -> dict[str, list[Ladder]]:
    """The ladders in groups, in the order in which the groups first appear."""
    groups: dict[str, list[Ladder]] = {}
    for ladder in ladders:
        groups.setdefault(key(ladder.reference.source), []).append(ladder)
    return groups


def by_series(ladders: Sequence[Ladder]) -> list[list[Ladder]]:
    """The ladders of each series together."""
    groups: dict[tuple[str, str], list[Ladder]] = {}
    for each in ladders:
        groups.setdefault((each.reference.source.path, each.reference.series), []).append(each)
    return list(groups.values())


def subject_of(source: Source) -> str:
    return source.subject


def with_interval(
    by_subject: Sequence[Sequence[float]], average: Callable[[list[float]], float], seed: int
) -> dict[str, float]:
    """An average and its 95 % interval: the bootstrap draws subjects, since slices of one person are no new evidence."""
    draws = np.random.default_rng(seed).integers(len(by_subject), size=(RESAMPLINGS, len(by_subject)))
    averages = [average([value for subject in draw for value in by_subject[subject]]) for draw in draws]
    low, high = np.quantile(averages, (0.025, 0.975))
    return {"value": average([value for own in by_subject for value in own]), "low": float(low), "high": float(high)}


def median_srocc(ladders: Sequence[Ladder], seed: int) -> dict[str, float]:
    """The median over subjects of :func:`srocc`, with its interval."""
    return with_interval([[srocc(own)] for own in by(ladders, subject_of).values()], median, seed)


def mean_tau(ladders: Sequence[Ladder], name: str, seed: int) -> dict[str, float]:
    """The mean over slices of :func:`tau`, with its interval."""
    return with_interval([[tau(each, name) for each in own] for own in by(ladders, subject_of).values()], fmean, seed)


def ladder_figures(ladders: Sequence[Ladder], seed: int) -> dict[str, Any]:
    """By artefact, by subject and other groups, and overall; scores in points of 100."""
    clean = [float(ladder.score[0]) for ladder in ladders]

    def group(key: Callable[[Source], str]) -> dict[str, dict[str, Any]]:
        return {
            name: {
                "srocc": fmean(srocc(s) for s in by(some, subject_of).values()),
                "srocc_within": fmean(srocc_within(s) for s in by(some, subject_of).values()),
                "clean_score": fmean(float(each.score[0]) for each in some),
                "subjects": len(by(some, subject_of)),
                "slices": len(some),
            }
            for name, some in by(ladders, key).items()
        }

    return {
        "by_artifact": {
            name: {
                "tau": mean_tau(ladders, name, seed),
                "clean_above": fmean(clean_above(each, name) for each in ladders),
                "rising": sum(rises(each, name) for each in ladders),
            }
            for name in artifacts.names()
        },
        "by_subject": group(subject_of),
        "by_anatomy": group(lambda source: source.anatomy),
        "by_contrast": group(lambda source: source.contrast),
        "by_vendor": group(lambda source: source.vendor),
        "median_srocc": median_srocc(ladders, seed),
        "clean_above": fmean(clean_above(each, name) for each in ladders for name in artifacts.names()),
        "mean_absolute_error": fmean(float(np.abs(each.score - each.teacher).mean()) for each in ladders),
        "clean_5_to_95": [float(p) for p in np.percentile(clean, (5, 95))],
        "slices": len(ladders),
        "images": len(ladders) * len(RUNGS),
    }


def left_out_figures(ladders: Sequence[Ladder], names: Sequence[str], seed: int) -> dict[str, dict[str, Any]]:
    """Of artefacts that no training tile showed, one by one: clean slices and rungs of that artefact alone."""
    return {
        name: {
            "srocc": median_srocc([only(each, name) for each in ladders], seed),
            "tau": mean_tau(ladders, name, seed),
        }
        for name in names
    }


def only(ladder: Ladder, name: str) -> Ladder:
    """The ladder's clean slice and the rungs of one artefact."""
    kept = [0, *range(len(RUNGS))[ladder.rungs_of(name)]]
    return replace(ladder, score=ladder.score[kept], teacher=ladder.teacher[kept])


def present(names: Sequence[str]) -> np.ndarray:
    """Which family of artefacts each rung shows: boolean (N, K)."""
    families = artifacts.families()
    return np.array([[rung in families[name] for name in names] for rung, _ in RUNGS])


def artifact_figures(ladders: Sequence[Ladder], names: Sequence[str]) -> dict[str, Any]:
    """How well the artefact head does, each subject judged with probabilities fitted to the others.

    By family: AUROC against all other rungs, mean error of the severity where it is present, share of its plain rungs that are
    named, and of the other rungs where it is named wrongly; and the expected calibration error over ten bins.
    """
    truth = present(names)
    severity = np.array([s for _, s in RUNGS])
    subjects = by(ladders, subject_of)
    probabilities, labels, errors = [], [], []
    for subject, own in subjects.items():
        others = [each for name, some in subjects.items() if name != subject for each in some]
        reader = fit_reader(others, names)
        for each in own:
            probabilities.append(reader.probabilities(each.presence))
            labels.append(truth)
            errors.append(np.abs(each.severity - severity[:, None]))
    probability, label, error = (np.concatenate(x) for x in (probabilities, labels, errors))
    plain = np.tile(severity >= PLAIN, len(ladders))
    by_family = {
        name: {
            "auroc": float(roc_auc_score(label[:, k], probability[:, k])),
            "severity_error": float(error[label[:, k], k].mean()),
            "named": float((probability[label[:, k] & plain, k] >= findings.PRESENT).mean()),
            "named_wrongly": float((probability[~label[:, k], k] >= findings.PRESENT).mean()),
            "calibration_error": calibration_error(probability[:, k], label[:, k]),
        }
        for k, name in enumerate(names)
    }
    return {"by_family": by_family, "calibration_error": calibration_error(probability.ravel(), label.ravel())}


def calibration_error(probability: np.ndarray, label: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error: |mean probability - share present| over bins of equal width, weighted by their size."""
    which = np.minimum((probability * bins).astype(int), bins - 1)
    return float(
        sum(
            np.mean(which == b) * abs(probability[which == b].mean() - label[which == b].mean())
            for b in range(bins)
            if (which == b).any()
        )
    )


def fit_reader(ladders: Sequence[Ladder], names: Sequence[str]) -> findings.ArtifactReader:
    """The artefacts' probabilities, from ladders on held-out subjects."""
    logits = np.concatenate([each.presence for each in ladders])
    return findings.fit(tuple(names), logits, np.tile(present(names), (len(ladders), 1)))


def series_scores(ladders: Sequence[Ladder]) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and the teacher's scores of series (M,): one a rung of each series, the mean over its slices."""
    groups = by_series(ladders)
    predicted = [np.mean([each.score for each in some], 0) for some in groups]
    truth = [np.mean([each.teacher for each in some], 0) for some in groups]
    return np.concatenate(predicted), np.concatenate(truth)


def interval_figures(ladders: Sequence[Ladder]) -> dict[str, Any]:
    """How often the interval of a series' score holds the teacher's, on each subject if fitted to the others; and its width.

    ``clean``: the same of clean series alone, which a clinic has more of than of all the others.
    """
    subjects = by(ladders, subject_of)
    coverage, clean, width = {}, [], []
    for subject, own in subjects.items():
        others = [each for name, some in subjects.items() if name != subject for each in some]
        interval = uncertainty.fit(*series_scores(others), LEVEL)
        ranges = [(interval.around(float(p)), t) for p, t in zip(*series_scores(own), strict=True)]
        held = [r.low <= t <= r.high for r, t in ranges]
        coverage[subject] = fmean(held)
        clean.append(fmean(held[:: len(RUNGS)]))
        width += [r.high - r.low for r, _ in ranges]
    return {
        "level": LEVEL,
        "by_subject": coverage,
        "coverage": fmean(coverage.values()),
        "clean": fmean(clean),
        "median_width": float(median(width)),
    }
