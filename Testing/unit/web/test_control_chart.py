"""Control limits: what they are, when there are none, what is a signal."""

import numpy as np
import pytest

from miqanet_core.web.control_chart import control_chart


def test_limits_are_median_and_mad_of_the_reference() -> None:
    reference = np.random.default_rng(1).normal(80, 2, 50)
    chart = control_chart([*reference, 50.0, 80.0])
    median = np.median(reference)
    spread = 1.4826 * np.median(np.abs(reference - median))
    assert chart.centre == pytest.approx(median)
    assert (chart.low, chart.high) == (pytest.approx(median - 3 * spread), pytest.approx(median + 3 * spread))
    assert chart.reference == 50
    assert 50 in chart.outside
    assert 51 not in chart.outside


def test_false_alarms_of_a_steady_scanner_are_rare() -> None:
    """With 50 in the reference, limits from MAD let through more than the 1 in 370 of known ones; 1 in 50 at most."""
    rng = np.random.default_rng(2)
    new = [i for _ in range(200) for i in control_chart(rng.normal(80, 2, 100)).outside if i >= 50]
    assert len(new) / (200 * 50) < 0.02


def test_bad_series_in_the_reference_do_not_widen_the_limits() -> None:
    steady = [80.0 + i % 5 for i in range(45)]
    with_bad = control_chart([*steady, 10.0, 12.0, 9.0, 11.0, 10.0])
    assert with_bad.low is not None
    assert with_bad.low > 70
    assert set(range(45, 50)) <= set(with_bad.outside)


def test_a_slow_drift_shows_as_a_run_and_does_not_carry_the_limits_along() -> None:
    rng = np.random.default_rng(3)
    scores = [*rng.normal(80, 2, 50), *(rng.normal(0, 1, 40) + np.linspace(79, 70, 40))]
    chart = control_chart(scores)
    assert chart.runs[-1][1] == 89
    assert chart.runs[-1][0] >= 45
    assert chart.centre == pytest.approx(80, abs=1)


@pytest.mark.parametrize("count", [0, 1, 19])
def test_too_few_series_have_no_limits_and_it_says_so(count: int) -> None:
    chart = control_chart([50.0] * count)
    assert (chart.centre, chart.low, chart.high, chart.outside, chart.runs) == (None, None, None, (), ())
    assert f"{count} of 20" in chart.note


def test_equal_scores_have_no_limits() -> None:
    chart = control_chart([90.0] * 30 + [80.0])
    assert chart.low is None
    assert "the same score" in chart.note


def test_limits_stay_on_the_scale() -> None:
    chart = control_chart([97.0 + i % 4 for i in range(30)])
    assert chart.high == 100.0
