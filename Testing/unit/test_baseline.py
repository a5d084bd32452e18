"""What is normal at a site: the limit flags the share it promises, outliers do not set it, and files are what they say."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from judged import MODEL
from miqanet_core.baseline import ENOUGH, Baseline, learn
from miqanet_core.errors import InputError, ModelError
from miqanet_core.policy import Policy
from miqanet_core.quality import ModelIdentity, Normal, SeriesQuality, Verdict
from report_samples import assess, make_series

POLICY = Policy(slice_flag=50, diagnostic=60, non_diagnostic=40, limited_fraction=0.1, non_diagnostic_fraction=0.5)
NORMAL = Normal("KNEE; ACME One", 34, 74.5, 86.1, 92.3, 74.5, 0.0286)


def gaussian(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.normal(80, 5, n)


def skewed(rng: np.random.Generator, n: int) -> np.ndarray:
    """Most near the best score, a tail towards the bad ones."""
    return 100 * rng.beta(12, 2, n)


# Statistics


@pytest.mark.parametrize(("scores", "within"), [(gaussian, 0.01), (skewed, 0.025)])
@pytest.mark.parametrize("n", [20, 34, 80])
def test_share_of_fresh_good_series_below_the_limit_is_what_the_file_promises(scores, within, n):
    rng = np.random.default_rng(n)
    below, promised = [], []
    for _ in range(600):
        normal, _ = learn("p", scores(rng, n))
        if normal.limit is not None:  # an outlier may leave nineteen of twenty
            below.append(np.mean(scores(rng, 400) < normal.limit))
            promised.append(normal.share)
    assert np.mean(below) == pytest.approx(np.mean(promised), abs=within)
    assert len(below) > 450


def test_promised_share_falls_from_1_in_21_to_1_in_40_and_stays_about_there():
    rng = np.random.default_rng(0)
    shares = {n: learn("p", rng.uniform(70, 90, n))[0].share for n in (20, 39, 79, 400)}
    assert shares == {20: 0.0476, 39: 0.025, 79: 0.025, 400: 0.0249}


def test_one_bad_series_in_ten_is_found_and_does_not_set_the_limit():
    rng = np.random.default_rng(5)
    clean, spoiled, found = [], [], []
    for _ in range(300):
        good = gaussian(rng, 36)
        bad = rng.uniform(20, 50, 4)
        clean.append(learn("p", good)[0].limit)
        normal, outliers = learn("p", [*good, *bad])
        spoiled.append(normal.limit)
        found.append(len([index for index in outliers if index >= 36]))
    assert np.mean(found) > 3.9
    assert np.mean(spoiled) == pytest.approx(np.mean(clean), abs=0.5)


def test_outliers_are_low_ones_only_and_are_named_by_their_place():
    normal, outliers = learn("p", [40.0, *np.linspace(78, 82, 20), 99.0])
    assert outliers == [0]
    assert (normal.series, normal.low, normal.high) == (21, 78.0, 99.0)


def test_nearly_equal_scores_make_no_outlier_of_a_good_series():
    assert learn("p", [80.0] * 20 + [76.5])[1] == []
    assert learn("p", [80.0] * 20 + [75.0])[1] == [20]


@pytest.mark.parametrize(("n", "enough"), [(1, False), (ENOUGH - 1, False), (ENOUGH, True)])
def test_no_limit_below_twenty_series(n, enough):
    normal, _ = learn("p", np.linspace(70, 90, n))
    assert normal.series == n
    assert ((normal.limit is not None), (normal.share is not None)) == (enough, enough)


def test_limit_is_a_score_that_people_see_the_same():
    normal, _ = learn("p", np.linspace(74.36, 90, 30))
    assert normal.limit == 74.3
    assert learn("p", [74.3] * 30)[0].limit == 74.3


# The verdict


def test_a_series_below_the_limit_is_limited_however_good_it_is_otherwise():
    judgement = POLICY.judge([70.0, 71.0], None, NORMAL)
    assert (judgement.verdict, judgement.flagged) == (Verdict.LIMITED, True)
    assert judgement.reasons[:2] == (
        "The mean score of the slices is 70.5, below 74.5 (the limit for diagnostic).",
        "Normal here: 34 good series of this protocol score 74.5 to 92.3 (median 86.1); the limit is 74.5, and about 1 in 35 "
        "good ones scores below it.",
    )
    assert POLICY.judge([74.5], None, NORMAL).verdict is Verdict.DIAGNOSTIC
    assert POLICY.judge([30.0], None, NORMAL).verdict is Verdict.NON_DIAGNOSTIC


def test_a_low_limit_does_not_soften_the_thresholds_unless_the_policy_lets_it():
    low = NORMAL._replace(low=38.0, median=47.0, high=55.0, limit=38.0)
    assert POLICY.judge([47.0] * 10, None, low).verdict is Verdict.NON_DIAGNOSTIC  # every slice is below slice_flag
    replaced = dataclasses.replace(POLICY, baseline_replaces=True)
    usual = replaced.judge([47.0] * 10, None, low)
    assert (usual.verdict, usual.slice_flags) == (Verdict.DIAGNOSTIC, (False,) * 10)
    assert usual.reasons[0] == "The mean score of the slices is 47.0 (38 or more is diagnostic)."
    assert replaced.judge([37.0] * 10, None, low).verdict is Verdict.LIMITED
    assert replaced.judge([17.0] * 10, None, low).verdict is Verdict.NON_DIAGNOSTIC


def test_replacing_thresholds_never_makes_non_diagnostic_or_slice_flag_stricter():
    fitted = dataclasses.replace(POLICY, baseline_replaces=True).fitted_to(NORMAL)
    assert (fitted.diagnostic, fitted.non_diagnostic, fitted.slice_flag) == (74.5, 40, 50)
    at_the_bottom = dataclasses.replace(POLICY, baseline_replaces=True).fitted_to(NORMAL._replace(limit=0.0))
    assert (at_the_bottom.diagnostic, at_the_bottom.non_diagnostic, at_the_bottom.slice_flag) == (0, 0, 0)


@pytest.mark.parametrize(
    ("normal", "reason"),
    [
        (Normal("p", 12, 70, 80, 90), "Too few (12 of 20) series of this protocol to know what is normal here."),
        (Normal("p"), "What is normal here is not known: the baseline holds no series of this protocol."),
        (Normal(""), "What is normal here is not known: the file does not say how it was acquired."),
    ],
)
def test_without_a_limit_the_thresholds_decide_and_the_reason_says_why(normal, reason):
    for policy in (POLICY, dataclasses.replace(POLICY, baseline_replaces=True)):
        judgement = policy.judge([70.0], None, normal)
        assert judgement.verdict is POLICY.judge([70.0]).verdict
        assert judgement.reasons[1] == reason


# The file


def baseline(**protocols: Normal) -> Baseline:
    return Baseline(MODEL, protocols or {NORMAL.protocol: NORMAL, "few": Normal("few", 3, 70.0, 71.0, 72.5)})


def test_round_trip(tmp_path):
    path = tmp_path / "référence.json"
    path.write_text(baseline().to_json(), encoding="utf-8")
    again = Baseline.load(path)
    assert (again.model, again.protocols, again.source) == (MODEL, baseline().protocols, path)


def test_another_model_is_refused_by_name(tmp_path):
    path = tmp_path / "b.json"
    path.write_text(baseline().to_json(), encoding="utf-8")
    Baseline.load(path).check_model(dataclasses.replace(MODEL, name="renamed"))
    with pytest.raises(
        ModelError, match=r"b\.json: .* learnt with stand_in 0\.0 \(weights 0123456789ab\), not with other 1"
    ) as caught:
        Baseline.load(path).check_model(ModelIdentity("other", "1", "f" * 64))
    assert "miqanet calibrate" in str(caught.value)


def changed(**values: object) -> str:
    document = json.loads(baseline().to_json())
    document["protocols"]["few"].update(values)
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is not JSON"),
        ("slice_flag = 3", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is no miqa-baseline/1 file"),
        ('{"schema": "miqa-series-quality/1"}', "is no miqa-baseline/1 file"),
        ('{"schema": "miqa-baseline/1"}', "with which model"),
        ('{"schema": "miqa-baseline/1", "model": {"name": "a", "version": "b", "weights_sha256": 3}}', "with which model"),
        ('{"schema": "miqa-baseline/1", "model": {"name": "a", "version": "b", "weights_sha256": "c"}}', "holds no protocols"),
        (changed(low=float("nan")), "NaN is no number"),
        (changed(high=float("inf")), "Infinity is no number"),
        (changed(high=101), "lie between 0 and 100"),
        (changed(low=80), "must rise"),
        (changed(median="71"), "lie between 0 and 100"),
        (changed(median=None), "lie between 0 and 100"),
        (changed(series=0), "not a count"),
        (changed(series=True), "not a count"),
        (changed(limit=70.0), "share is None"),
        (changed(limit=70.0, share=0.05), "has a limit but only 3 series"),
        (changed(series=20, limit=70.0, share=1.5), "between 0 and 1"),
        (changed(patient="Curie"), "does not hold series, low"),
    ],
)
def test_a_bad_file_names_itself_problem_and_cure_in_one_line(tmp_path, text, problem):
    path = tmp_path / "baseline.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        Baseline.load(path)
    assert problem in caught.value.problem
    assert str(caught.value).startswith(f"{path}: ")
    assert "miqanet calibrate" in caught.value.cure
    assert len(str(caught.value).splitlines()) == 1


def test_an_unreadable_file_is_an_input_error(tmp_path):
    (tmp_path / "latin.json").write_bytes(b'"\xe9"')
    for path in (tmp_path / "absent.json", tmp_path, tmp_path / "latin.json"):
        with pytest.raises(InputError):
            Baseline.load(path)


def test_a_result_remembers_what_was_normal_and_old_results_still_read():
    quality = assess(make_series([70.0]), POLICY, normal=NORMAL)
    assert SeriesQuality.from_json(quality.to_json()).normal == NORMAL
    document = quality.to_dict()
    del document["normal"]
    assert SeriesQuality.from_dict(document).normal is None
