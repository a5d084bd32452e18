"""The verdict rule, its thresholds at their edges, and what a policy file may hold."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import replace

import pytest

from miqanet_core.errors import InputError
from miqanet_core.policy import Policy, format_score, judged_anew, name_slices
from miqanet_core.quality import Verdict
from report_samples import assess, make_series

POLICY = Policy(slice_flag=50, diagnostic=60, non_diagnostic=40, limited_fraction=0.1, non_diagnostic_fraction=0.5)


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [
        ([80.0] * 10, Verdict.DIAGNOSTIC),
        ([60.0] * 10, Verdict.DIAGNOSTIC),  # a threshold itself is still on the good side
        ([59.9] * 10, Verdict.LIMITED),
        ([80.0] * 9 + [49.9], Verdict.DIAGNOSTIC),  # one in ten is not more than a tenth
        ([80.0] * 8 + [49.9] * 2, Verdict.LIMITED),
        ([80.0] * 5 + [49.0] * 5, Verdict.LIMITED),  # half is not more than half
        ([90.0] * 4 + [49.0] * 6, Verdict.NON_DIAGNOSTIC),
        ([40.0] * 5 + [80.0] * 5, Verdict.LIMITED),
        ([39.9], Verdict.NON_DIAGNOSTIC),
        ([100.0, 50.0], Verdict.DIAGNOSTIC),
    ],
)
def test_verdict_at_the_edges_of_every_threshold(scores, verdict):
    judgement = POLICY.judge(scores)
    assert judgement.verdict is verdict
    assert judgement.flagged == (verdict is not Verdict.DIAGNOSTIC)


def test_score_is_the_mean_of_the_scored_slices_only():
    judgement = POLICY.judge([None, 70.0, 90.0, None])
    assert judgement.score == 80.0
    assert judgement.slice_flags == (False, False, False, False)
    assert judgement.reasons[-1] == "2 slices were not scored: too little anatomy (slices 1, 4)."


def test_share_counts_scored_slices_so_that_empty_ones_hide_nothing():
    assert POLICY.judge([None] * 20 + [90.0] * 4 + [45.0]).verdict is Verdict.LIMITED


def test_zero_limited_fraction_needs_one_flagged_slice():
    strict = dataclasses.replace(POLICY, limited_fraction=0.0)
    assert strict.judge([80.0] * 100).verdict is Verdict.DIAGNOSTIC
    assert strict.judge([80.0] * 99 + [49.0]).verdict is Verdict.LIMITED


@pytest.mark.parametrize("scores", [[], [None, None]])
def test_nothing_scored_is_not_assessed_and_not_flagged(scores):
    judgement = POLICY.judge(scores)
    assert (judgement.score, judgement.verdict, judgement.flagged) == (None, Verdict.NOT_ASSESSED, False)
    assert judgement.slice_flags == (False,) * len(scores)


def test_a_reason_from_the_caller_wins_over_good_scores():
    judgement = POLICY.judge([90.0, 20.0], "This is CT; MIQA knows MR only.")
    assert judgement.verdict is Verdict.NOT_ASSESSED
    assert judgement.score is None
    assert judgement.reasons == ("This is CT; MIQA knows MR only.",)
    assert judgement.slice_flags == (False, False)


def test_reasons_name_slices_from_one():
    scores = [80.0] * 24
    for index in (2, 3, 4, 5, 6, 11):
        scores[index] = 30.0
    assert POLICY.judge(scores).reasons[1] == (
        "6 of 24 slices score below 50 (slices 3-7, 12); more than 10 % makes a series limited."
    )
    assert POLICY.judge([20.0, 90.0, 10.0]).reasons[1] == (
        "2 of 3 slices score below 50 (slices 1, 3); more than 50 % makes a series non-diagnostic."
    )
    assert POLICY.judge([90.0] * 9 + [10.0]).reasons[1] == "1 of 10 slices scores below 50 (slice 10)."


def test_a_good_mean_does_not_hide_why_a_series_is_limited():
    assert POLICY.judge([95.0, 95.0, 20.0]).reasons == (
        "The mean score of the slices is 70.0 (60 or more is diagnostic).",
        "1 of 3 slices scores below 50 (slice 3); more than 10 % makes a series limited.",
    )


def test_many_runs_of_slices_are_cut_short():
    assert name_slices(range(0, 40, 2)) == "slices 1, 3, 5, 7, 9, 11, 13, 15, ..."


@pytest.mark.parametrize(("score", "text"), [(59.97, "59.9"), (60.0, "60.0"), (0.0, "0.0"), (1e-7, "0.0"), (None, "–")])
def test_a_shown_score_is_never_on_the_wrong_side_of_a_threshold(score, text):
    assert format_score(score) == text


def test_default_policy_is_the_shipped_file(tmp_path):
    empty = tmp_path / "empty.toml"
    empty.write_text("")
    assert Policy.load(empty) == Policy.default()


def test_a_file_may_change_one_line_only(tmp_path):
    path = tmp_path / "politique d'été.toml"
    path.write_text("slice_flag = 42", encoding="utf-8")
    assert Policy.load(path) == dataclasses.replace(Policy.default(), slice_flag=42.0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("slice_flagg = 3", "unknown setting 'slice_flagg'"),
        ("[thresholds]\nslice_flag = 3", "unknown setting 'thresholds'"),
        ('slice_flag = "50"', "must be a number"),
        ("slice_flag = true", "must be a number"),
        ("slice_flag = nan", "outside 0 to 100"),
        ("slice_flag = 101", "outside 0 to 100"),
        ("diagnostic = -1", "outside 0 to 100"),
        ("limited_fraction = 10", "outside 0 to 1"),
        ("diagnostic = 30\nnon_diagnostic = 40", "non_diagnostic (40) is above diagnostic (30)"),
        ("limited_fraction = 0.6\nnon_diagnostic_fraction = 0.5", "is above non_diagnostic_fraction"),
        ("slice_flag 50", "is not TOML"),
    ],
)
def test_a_bad_policy_names_file_problem_and_cure(tmp_path, text, problem):
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        Policy.load(path)
    assert problem in caught.value.problem
    assert caught.value.path == path
    assert caught.value.cure
    assert "\n" not in str(caught.value)


def test_an_unreadable_policy_is_an_input_error(tmp_path):
    (tmp_path / "latin.toml").write_bytes(b"# \xe9\n")
    for path in (tmp_path / "absent.toml", tmp_path, tmp_path / "latin.toml"):
        with pytest.raises(InputError):
            Policy.load(path)


def test_a_policy_made_in_code_is_checked_too():
    with pytest.raises(ValueError, match="outside"):
        dataclasses.replace(POLICY, slice_flag=math.inf)


def test_a_result_is_judged_anew_by_other_thresholds_with_the_same_scores():
    quality = assess(make_series([80.0, 30.0, None]))
    strict = replace(Policy.default(), slice_flag=90.0, diagnostic=95.0, non_diagnostic=85.0)
    anew = judged_anew(quality, strict)
    assert [s.score for s in anew.slices] == [s.score for s in quality.slices]
    assert [s.flagged for s in anew.slices] == [True, True, False]
    assert (anew.verdict, anew.score) == (Verdict.NON_DIAGNOSTIC, quality.score)
    assert anew.reasons == strict.judge([80.0, 30.0, None]).reasons
    assert judged_anew(anew, Policy.default()).to_dict() == quality.to_dict()


def test_what_was_not_assessed_stays_so_whatever_the_thresholds():
    quality = assess(make_series([80.0], modality="CT"))
    assert judged_anew(quality, replace(Policy.default(), diagnostic=10.0, non_diagnostic=5.0)) is quality
