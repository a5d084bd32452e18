"""Agreement with opinion scores: known cases, scipy on resamples drawn by hand, and input that has no agreement."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau, pearsonr, spearmanr

from miqanet_core.metrics import agreement
from miqanet_core.metrics.agreement import MappingName, fit_mapping, interval, krcc, outlier_ratio, plcc, rmse, srocc
from miqanet_core.metrics.resamples import RESAMPLED


def images(count: int = 60, seed: int = 1, noise: float = 8) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Predictions, scores with ties, and five references."""
    rng = np.random.default_rng(seed)
    score = np.round(rng.uniform(0, 100, count))
    return score + noise * rng.standard_normal(count), score, [f"r{i % 5}" for i in range(count)]


def test_figures_of_cases_worked_out_by_hand() -> None:
    predicted, score = [1, 2, 3, 4], [10, 30, 20, 40]  # one of six pairs is out of order
    assert srocc(predicted, score) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert krcc(predicted, score) == pytest.approx((5 - 1) / 6)
    assert plcc(predicted, score) == pytest.approx(0.8)
    assert rmse(predicted, score) == pytest.approx(np.sqrt((81 + 784 + 289 + 1296) / 4))
    assert krcc([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / np.sqrt(2 * 3))  # tau-b leaves the tie out of one side
    assert srocc([3, 2, 1], [1, 2, 3]) == pytest.approx(-1)


@pytest.mark.parametrize("figure", [srocc, krcc, plcc, fit_mapping])
def test_agreement_with_a_constant_is_an_error(figure: object) -> None:
    with pytest.raises(ValueError, match="all 3 predictions are 7: agreement with a constant"):
        figure([7, 7, 7], [1, 2, 3])  # type: ignore[operator]
    with pytest.raises(ValueError, match="all 3 scores are 5"):
        figure([1, 2, 3], [5, 5, 5])  # type: ignore[operator]


def test_input_that_does_not_fit_is_explained() -> None:
    with pytest.raises(ValueError, match="one number for each image"):
        srocc([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="too few"):
        rmse([1, 2], [1, 2])
    with pytest.raises(ValueError, match="1 of the 3 predictions are not finite"):
        plcc([1, np.nan, 3], [1, 2, 3])


def test_an_outlier_is_off_by_more_than_twice_its_own_standard_error() -> None:
    predicted, score = [10, 20, 30, 44], [10, 23, 33, 40]
    assert outlier_ratio(predicted, score, [1, 1, 1.5, 1]) == 0.5  # off by 0, 3, 3 and 4; exactly twice is none
    with pytest.raises(ValueError, match="no outlier ratio: the set does not give the spread of its opinions"):
        outlier_ratio(predicted, score, None)
    for wrong in ([1, 1, 1], [1, 1, 1, 0], [1, 1, 1, np.nan]):
        with pytest.raises(ValueError, match="a standard error above zero for each score"):
            outlier_ratio(predicted, score, wrong)


@pytest.mark.parametrize("direction", [1, -1])
def test_a_logistic_is_found_again(direction: int) -> None:
    x = np.linspace(-3, 8, 40)
    truth = 20 + 60 / (1 + np.exp(-direction * (x - 2) / 0.7))
    mapping = fit_mapping(x, truth)
    assert mapping.kind == "logistic"
    assert mapping.note == ""
    np.testing.assert_allclose(mapping(x), truth, atol=0.01)
    b1, b2, b3, b4 = mapping.parameters
    assert (b1, b2)[::direction] == pytest.approx((80, 20), abs=0.1)
    assert (b3, b4) == pytest.approx((2, 0.7), abs=0.01)


@pytest.mark.parametrize("direction", [1, -1])
def test_a_logistic_with_a_straight_part_is_found_again_when_asked_for(direction: int) -> None:
    x = np.linspace(-3, 8, 60)
    truth = 40 * (0.5 - 1 / (1 + np.exp(2 * direction * (x - 2)))) + 3 * direction * x + 20
    mapping = fit_mapping(x, truth, "logistic5")
    assert (mapping.kind, mapping.note) == ("logistic5", "")
    np.testing.assert_allclose(mapping(x), truth, atol=1e-3)
    assert mapping.parameters == pytest.approx((40, 2 * direction, 2, 3 * direction, 20), rel=1e-3)
    assert rmse(fit_mapping(x, truth)(x), truth) > 0.3  # which four parameters cannot follow
    assert fit_mapping([1, 2, 3, 4, 5, 5], [1, 2, 3, 4, 5, 5], "logistic5").kind == "line"


@pytest.mark.parametrize(("kind", "scale"), [("logistic", 1e-4), ("logistic", 1), ("logistic", 1e6), ("logistic5", 1e6)])
def test_the_mapping_is_monotonic_and_never_worse_than_the_mean(kind: MappingName, scale: float) -> None:
    for seed in range(20 if kind == "logistic" else 8):
        rng = np.random.default_rng(seed)
        score = rng.uniform(0, 100, 20)
        predicted = scale * (rng.standard_normal(20) + rng.uniform(-1, 1) * score / 30)
        mapping = fit_mapping(predicted, score, kind)
        steps = np.diff(mapping(np.linspace(predicted.min() - 5 * scale, predicted.max() + 5 * scale, 500)))
        assert (steps >= -1e-9).all() or (steps <= 1e-9).all()
        assert rmse(mapping(predicted), score) <= score.std() * 1.001


def test_straight_and_steep_relations_keep_finite_parameters() -> None:
    x = np.arange(30.0)
    straight, steep = fit_mapping(x, 3 * x + 5), fit_mapping(x, 50.0 * (x > 14))
    assert rmse(straight(x), 3 * x + 5) < 0.01 * 87
    assert rmse(steep(x), 50.0 * (x > 14)) < 1
    assert np.isfinite([straight.parameters, steep.parameters]).all()
    assert np.isfinite(steep([-1e9, 1e9])).all()


def test_too_few_distinct_predictions_give_a_line_that_says_so() -> None:
    mapping = fit_mapping([1, 1, 2, 2, 3, 3], [10, 12, 20, 22, 30, 32])
    assert mapping.kind == "line"
    assert mapping.note == "a line instead of the logistic: only 3 distinct predictions"
    np.testing.assert_allclose(mapping([1, 2, 3]), [11, 21, 31])


def test_a_search_that_fails_gives_a_line_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    search = agreement.least_squares
    monkeypatch.setattr(agreement, "least_squares", lambda *args, **options: search(*args, **options, max_nfev=1))
    predicted, score, _ = images()
    mapping = fit_mapping(predicted, score)
    assert mapping.kind == "line"
    assert "did not converge" in mapping.note


@pytest.mark.parametrize(
    ("figure", "peer"),
    [
        ("SROCC", lambda x, y: spearmanr(x, y).statistic),
        ("KRCC", lambda x, y: kendalltau(x, y).statistic),
        ("PLCC", lambda x, y: pearsonr(x, y).statistic),
        ("RMSE", lambda x, y: np.sqrt(np.mean((x - y) ** 2))),
    ],
)
def test_resamples_have_the_figures_that_scipy_finds(figure: str, peer: object) -> None:
    predicted, score, references = images(40)
    predicted = np.round(predicted, -1)  # ties on both sides
    drawn = np.random.default_rng(3).multinomial(5, [0.2] * 5, 50)
    times = drawn[:, np.unique(references, return_inverse=True)[1]]
    wanted = [peer(np.repeat(predicted, t), np.repeat(score, t)) for t in times]  # type: ignore[operator]
    np.testing.assert_allclose(RESAMPLED[figure](predicted, score, times.astype(float)), wanted, atol=1e-12)


def test_an_interval_repeats_and_encloses_the_figure() -> None:
    predicted, score, references = images()
    low, high = interval("SROCC", predicted, score, references)
    assert interval("SROCC", predicted, score, references) == (low, high)
    assert interval("SROCC", predicted, score, references, seed=4) != (low, high)
    assert low < srocc(predicted, score) < high
    narrow = interval("SROCC", predicted, score, references, level=0.5)
    assert low < narrow[0] < narrow[1] < high


def test_a_perfect_figure_has_no_width_and_one_that_nearly_always_is_has_no_end() -> None:
    score, references = np.arange(40.0), [str(i // 5) for i in range(40)]
    assert interval("SROCC", score**3, score, references) == (1, 1)
    assert interval("RMSE", score, score, references) == (0, 0)
    swapped = score.copy()
    swapped[:2] = 1, 0  # one reference of eight errs, and a third of the resamples do not draw it
    assert interval("SROCC", swapped, score, references) == (-1, 1)


def test_whole_references_are_drawn_not_images() -> None:
    rng = np.random.default_rng(0)
    shift = np.repeat(rng.standard_normal(12) * 20, 20)  # every reference has an error of its own
    score = rng.uniform(0, 100, 240)
    by_reference = interval("RMSE", score + shift, score, [str(i // 20) for i in range(240)])
    by_image = interval("RMSE", score + shift, score, [str(i) for i in range(240)])
    assert np.diff(by_reference) > 2 * np.diff(by_image)


def test_two_references_are_enough_and_one_is_not() -> None:
    predicted, score, _ = images(20)
    pair = ["a"] * 10 + ["b"] * 10
    low, high = interval("RMSE", predicted, score, pair)
    # Only three resamples exist: both, half of the times, or either one twice, one standard error from the middle of all.
    ends = sorted(np.log([rmse(predicted[half], score[half]) for half in (slice(10), slice(10, 20))]))
    reach = 12.7062 * np.sqrt(2) * (ends[1] - ends[0]) / 2  # Student's t with one degree
    assert (np.log(low), np.log(high)) == pytest.approx(np.log(rmse(predicted, score)) + np.array([-reach, reach]), rel=1e-4)
    with pytest.raises(ValueError, match="at least two references"):
        interval("RMSE", predicted, score, ["a"] * 20)
    with pytest.raises(ValueError, match="one cluster for each"):
        interval("RMSE", predicted, score, ["a"] * 3)


def test_undefined_resamples_are_left_out_until_they_are_most() -> None:
    score, references = np.array([1.0, 1, 5, 5, 9, 9]), ["a", "a", "b", "b", "c", "c"]
    low, high = interval("SROCC", [1, 2, 5, 6, 9, 8], score, references)  # a reference drawn alone has constant scores
    assert 0 < low < high <= 1
    one, other = np.eye(10)[:2]  # defined only where both odd images were drawn: two times of five
    with pytest.raises(ValueError, match=r"SROCC is not defined in 1\d\d\d of 2000 resamples"):
        interval("SROCC", one, other, list("abcdefghij"))
