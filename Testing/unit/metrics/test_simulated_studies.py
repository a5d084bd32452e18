"""Intervals and tests in simulated studies whose truth is known: intervals hold it, tests err no more often than they say.

A study has 14 levels of degradation of each reference. Opinions and predictions follow the level, with an error of each image
and one of each reference. All predictions of a study are equally good. Seeded; each bound is three binomial standard deviations
from what it must be.
"""

from __future__ import annotations

import numpy as np
import pytest

from miqanet_core.metrics.agreement import FigureName, interval, srocc
from miqanet_core.metrics.residual_variance import residual_variance
from miqanet_core.metrics.significance import pairwise, williams

LEVELS = np.linspace(5, 95, 14)
OPINION = 6.0  # standard deviation of either error of the opinions


def study(
    rng: np.random.Generator, references: int, methods: int, image: float, content: float
) -> tuple[dict[str, np.ndarray], np.ndarray, list[str]]:
    """Predictions, opinions and references. ``image``, ``content``: standard deviations of the two errors of a prediction."""

    def scored(image: float, content: float) -> np.ndarray:
        errors = content * rng.standard_normal((references, 1)) + image * rng.standard_normal((references, len(LEVELS)))
        return (LEVELS + errors).ravel()

    score = scored(OPINION, OPINION)
    predictions = {f"method {i}": scored(image, content) for i in range(methods)}
    return predictions, score, [str(i // len(LEVELS)) for i in range(len(score))]


def truth(figure: FigureName, image: float, content: float) -> float:
    """Of infinitely many references: by the variances, SROCC from 20000 references."""
    if figure == "SROCC":
        predictions, score, _ = study(np.random.default_rng(0), 20000, 1, image, content)
        return srocc(predictions["method 0"], score)
    errors, opinions, levels = image**2 + content**2, 2 * OPINION**2, float(LEVELS.var())
    if figure == "RMSE":
        return float(np.sqrt(errors + opinions))
    return levels / float(np.sqrt((levels + errors) * (levels + opinions)))


def tolerance(share: float, studies: int) -> float:
    return 3 * float(np.sqrt(share * (1 - share) / studies))


def share_held(figure: FigureName, references: int, image: float, content: float, studies: int) -> float:
    """In how many studies the 95 % interval holds the truth."""
    rng, wanted, held = np.random.default_rng(1), truth(figure, image, content), 0
    for seed in range(studies):
        predictions, score, of = study(rng, references, 1, image, content)
        low, high = interval(figure, predictions["method 0"], score, of, seed=seed, resamples=300)
        held += low <= wanted <= high
    return held / studies


@pytest.mark.parametrize("figure", ["PLCC", "RMSE"])
def test_intervals_of_many_references_hold_the_truth_as_often_as_they_say(figure: FigureName) -> None:
    assert share_held(figure, 40, 20, 5, 300) == pytest.approx(0.95, abs=tolerance(0.95, 300))


@pytest.mark.parametrize("figure", ["SROCC", "PLCC", "RMSE"])
@pytest.mark.parametrize(("image", "content", "at_least"), [(10, 0, 0.91), (10, 15, 0.86)])
def test_intervals_of_eight_references_hold_the_truth_as_often_as_is_written(
    figure: FigureName, image: float, content: float, at_least: float
) -> None:
    assert share_held(figure, 8, image, content, 200) >= at_least - tolerance(at_least, 200)


def test_tests_by_reference_keep_their_size_where_methods_err_by_content_and_williams_does_not() -> None:
    rng, studies = np.random.default_rng(2), 250
    one = any_of_six = by_images = 0
    for _ in range(studies):
        predictions, score, references = study(rng, 8, 4, 10, 15)
        found = pairwise(predictions, score, references, "PLCC")
        one += found.p[0, 1] < 0.05
        any_of_six += found.p_holm.min() < 0.05
        by_images += williams(predictions, score, "PLCC").p[0, 1] < 0.05
    assert one / studies <= 0.05 + tolerance(0.05, studies)
    assert any_of_six / studies <= 0.05 + tolerance(0.05, studies)
    assert by_images / studies > 0.25


def test_williams_keeps_its_size_where_images_are_independent() -> None:
    rng, studies, found = np.random.default_rng(3), 500, 0
    for _ in range(studies):
        score = rng.standard_normal(112)
        predictions = {name: score + rng.standard_normal(112) for name in "ab"}
        found += williams(predictions, score, "PLCC").p[0, 1] < 0.05
    assert found / studies == pytest.approx(0.05, abs=tolerance(0.05, studies))


def test_the_paired_test_of_variances_keeps_its_size_and_finds_what_the_f_test_misses() -> None:
    rng, studies = np.random.default_rng(4), 500
    alike, paired, independent = 0, 0, 0
    for _ in range(studies):
        shared = rng.standard_normal(112)  # of both methods' errors, most are the same
        errors = {name: shared + size * rng.standard_normal(112) for name, size in (("a", 0.1), ("b", 0.1), ("c", 0.5))}
        found = residual_variance(errors, np.zeros(112))
        alike += found.p_paired[0, 1] < 0.05
        paired += found.p_paired[0, 2] < 0.05
        independent += found.p[0, 2] < 0.05
    assert alike / studies == pytest.approx(0.05, abs=tolerance(0.05, studies))
    assert paired / studies > 0.6
    assert independent < paired / 2
