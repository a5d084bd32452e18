"""Tests between methods: published worked examples, what they must do by their definition, and input that cannot be tested."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from miqanet_core.metrics.agreement import FIGURES, FigureName, plcc, srocc
from miqanet_core.metrics.multiple_tests import holm, holm_of_pairs
from miqanet_core.metrics.significance import pairwise, williams, williams_error

REFERENCES = [f"r{i % 8}" for i in range(112)]


def methods(seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A good and a bad method, and the good one on another scale, of 112 images."""
    rng = np.random.default_rng(seed)
    score = rng.uniform(0, 100, 112)
    good = score + 10 * rng.standard_normal(112)
    return {"good": good, "bad": score + 60 * rng.standard_normal(112), "alike": 3 * good + 1}, score


@pytest.mark.parametrize(
    ("first", "second", "between", "images", "t", "p"),
    [
        (0.3, 0.4, 0.5, 100, -1.0767, 0.2843),  # Silver, Hittner & May, Appl Psychol Measurement 30, 2006; tests of R's cocor
        (0.4, 0.5, 0.1, 103, -0.8913, None),  # Steiger, Psychological Bulletin 87, 1980, p. 249
        (0.20, 0.45, 0.80, 100, -4.56, 1e-5),  # manual of R's bruceR, cor_diff
    ],
)
def test_williams_test_has_the_published_values(
    first: float, second: float, between: float, images: int, t: float, p: float | None
) -> None:
    statistic = (first - second) / williams_error(first, second, between, images)
    assert statistic == pytest.approx(t, abs=0.5 * 10.0 ** -len(str(t).split(".")[1]))
    if p is not None:
        assert 2 * student.sf(abs(statistic), images - 3) == pytest.approx(p, abs=5e-5)


def test_holm_has_the_values_of_r() -> None:
    # p.adjust(method = "holm"), as in the manual of stdlib's padjust, and R's definition on ties and above one.
    np.testing.assert_allclose(holm([0.319, 0.201, 0.4, 0.374, 0.113]), [0.957, 0.804, 0.957, 0.957, 0.565], atol=1e-12)
    np.testing.assert_allclose(holm([0.01, 0.02, 0.03, 0.04, 0.05]), [0.05, 0.08, 0.09, 0.09, 0.09], atol=1e-12)
    np.testing.assert_allclose(holm([0.9, 0.8]), [1, 1])
    assert holm([]).shape == (0,)


def test_each_pair_counts_once() -> None:
    p = np.array([[1, 0.02, 0.5], [0.02, 1, 0.01], [0.5, 0.01, 1]])
    np.testing.assert_allclose(holm_of_pairs(p), [[1, 0.04, 0.5], [0.04, 1, 0.03], [0.5, 0.03, 1]])


def test_williams_takes_its_correlations_from_the_methods() -> None:
    predictions, score = methods()
    for figure, of in (("PLCC", plcc), ("SROCC", srocc)):
        found = williams(predictions, score, figure)  # type: ignore[arg-type]
        good, bad = predictions["good"], predictions["bad"]
        first, second = of(good, score), of(bad, score)
        statistic = (first - second) / williams_error(first, second, of(good, bad), 112)
        assert found.difference[0, 1] == pytest.approx(first - second)
        assert found.p[0, 1] == pytest.approx(2 * student.sf(abs(statistic), 109), rel=1e-6)
        assert "independent" in found.test


@pytest.mark.parametrize("figure", FIGURES)
def test_pairwise_is_the_jackknife_over_references(figure: FigureName) -> None:
    predictions, score = methods()
    found = pairwise(predictions, score, REFERENCES, figure)
    assert found.names == ("good", "bad", "alike")
    of = FIGURES[figure]

    def difference(kept: np.ndarray) -> float:
        return of(predictions["good"][kept], score[kept]) - of(predictions["bad"][kept], score[kept])

    left_out = np.array([difference(np.array(REFERENCES) != reference) for reference in sorted(set(REFERENCES))])
    error = np.sqrt(7 / 8 * ((left_out - left_out.mean()) ** 2).sum())
    whole = difference(np.ones(112, bool))
    assert found.difference[0, 1] == pytest.approx(whole)
    assert found.p[0, 1] == pytest.approx(2 * student.sf(abs(whole / error), 7), rel=1e-6)
    np.testing.assert_array_equal(found.difference, -found.difference.T)
    np.testing.assert_array_equal(found.p, found.p.T)
    np.testing.assert_array_equal(found.p_holm, holm_of_pairs(found.p))
    assert found.test == f"t test of {figure}, jackknife over 8 references"


@pytest.mark.parametrize("figure", ["SROCC", "PLCC", "KRCC"])
def test_methods_that_agree_alike_do_not_differ(figure: FigureName) -> None:
    predictions, score = methods()
    for found in (pairwise(predictions, score, REFERENCES, figure), williams(predictions, score)):
        assert found.p[0, 2] == found.p_holm[0, 2] == 1
        assert (np.diag(found.p) == 1).all()


def test_a_difference_counts_for_the_references_that_show_it() -> None:
    rng = np.random.default_rng(3)
    score = rng.uniform(0, 100, 112)
    everywhere = score + 10 * rng.standard_normal(112)
    once = everywhere.copy()
    one = np.array(REFERENCES) == "r0"
    once[one] = rng.permutation(once[one])  # as wrong as can be, but on one reference
    predictions = {"everywhere": everywhere, "once": once}
    assert williams(predictions, score).p[0, 1] < 0.001
    assert pairwise(predictions, score, REFERENCES).p[0, 1] > 0.2


def test_input_that_cannot_be_tested_is_explained() -> None:
    predictions, score = methods()
    with pytest.raises(ValueError, match="at least two references"):
        pairwise(predictions, score, ["r"] * 112)
    with pytest.raises(ValueError, match="good: 112 predictions belong to 3 clusters"):
        pairwise(predictions, score, list("abc"))
    with pytest.raises(ValueError, match=r"short: predictions \(3,\) and scores \(112,\)"):
        pairwise({"short": np.arange(3)}, score, REFERENCES)
    with pytest.raises(ValueError, match="holes: 1 of the 112 predictions are not finite"):
        williams({"holes": np.where(np.arange(112) == 5, np.nan, score)}, score)
    one = np.where(np.array(REFERENCES) == "r0", score, 5)
    with pytest.raises(ValueError, match="one: all 98 predictions are 5"):  # defined, but not without that reference
        pairwise({"one": one}, score, REFERENCES)
