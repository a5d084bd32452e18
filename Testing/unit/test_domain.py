"""The in-domain check: near is inside, far is outside, and a series that is outside has no score."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fit_domain import Sample, fit, limit_of
from miqanet_core import Scorer, SeriesQuality, read_series
from miqanet_core.cli.table import plain
from miqanet_core.domain import Domain, unlike_by_facts
from miqanet_core.errors import ModelError
from miqanet_core.model import load_model
from miqanet_core.policy import Policy
from miqanet_core.quality import Verdict
from miqanet_core.report.html import Scored, render_html
from miqanet_core.series import COLOUR_NOTE, MRSeries
from mr_samples import slice_like, stack_like

FEATURES = 40
PEOPLE = [f"person {i}" for i in range(4)]


def made_up(seed: int, mr: bool, group: str, images: int = 12) -> list[Sample]:
    """Features about 0 for MR and about 2 for what is none; the second half, standard deviations, is positive."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(images):
        features = rng.normal(0 if mr else 2, 0.5, (3, FEATURES))
        features[:, FEATURES // 2 :] = np.exp(features[:, FEATURES // 2 :])
        found.append(Sample(features, mr, group, group))
    return found


@pytest.fixture(scope="module")
def domain() -> Domain:
    samples = [s for i, person in enumerate(PEOPLE) for s in made_up(i, True, person)]
    samples += [s for i in range(3) for s in made_up(10 + i, False, f"kind {i}")]
    return replace(fit(samples), limit=np.array(limit_of(samples, PEOPLE)))


def test_unseen_mr_is_inside_and_an_unseen_kind_is_outside(domain: Domain) -> None:
    assert domain.judge([s.features for s in made_up(20, True, "new person")]) == (True, None)
    inside, reason = domain.judge([s.features for s in made_up(21, False, "new kind")])
    assert not inside
    assert reason is not None
    assert reason.startswith("The images are unlike the MR that this model knows (distance ")


def test_what_is_a_scan_of_nobody_sets_no_limit() -> None:
    samples = [s for i, person in enumerate(PEOPLE) for s in made_up(i, True, person)] + made_up(10, False, "kind")
    average = [replace(s, group="average", features=s.features + 1) for s in made_up(5, True, "")]
    limit = limit_of(samples + average, PEOPLE)
    assert limit < limit_of(samples + average, [*PEOPLE, "average"])
    assert replace(fit(samples), limit=np.array(limit)).judge([s.features for s in made_up(20, True, "new person")]).inside


def test_more_than_half_of_the_slices_decide(domain: Domain) -> None:
    good, bad = ([s.features for s in made_up(30, mr, "x", 5)] for mr in (True, False))
    assert domain.judge([*good[:3], *bad[:2]]).inside
    assert not domain.judge([*good[:2], *bad[:3]]).inside


def test_survives_the_weights_file(domain: Domain) -> None:
    again = Domain.from_extras(domain.to_extras())
    assert again is not None
    features = made_up(40, True, "x")[0].features
    assert np.allclose(again.distances(features), domain.distances(features), atol=0.02)
    assert again.judge([features]) == (True, None)
    assert Domain.from_extras({}) is None


def test_a_check_of_other_features_says_what_to_do(domain: Domain) -> None:
    with pytest.raises(ModelError, match=f"takes {FEATURES} features of a tile and this network gives 6; run training/finish"):
        domain.judge([np.ones((2, 6))])


def test_what_is_no_mr_must_be_shown_too() -> None:
    with pytest.raises(ValueError, match="one of them is missing"):
        fit(made_up(1, True, "person"))


def series_of(voxels: np.ndarray, modality: str = "MR", notes: tuple[str, ...] = ()) -> MRSeries:
    return MRSeries(voxels.astype(np.float32), None, "test", modality, notes=notes)


@pytest.mark.parametrize(
    ("series", "word"),
    [
        (series_of(stack_like(2), "CT"), "modality is CT"),
        (series_of(stack_like(2), "", (COLOUR_NOTE,)), "in colour"),
        (series_of(stack_like(2) - 1000), "Hounsfield"),
        (series_of(np.round(stack_like(2) / 100)), "label map"),
    ],
)
def test_facts_that_need_no_learning(series: MRSeries, word: str) -> None:
    reason = unlike_by_facts(series)
    assert reason is not None
    assert word in reason


def test_facts_let_mr_pass(shared: Path) -> None:
    for name in ("pelvis_hip_PX0000_T2cor", "dicom_GE_fMRI_nih", "fetus_T2_mialsrtk/sub-01_run-1_T2w.nii.gz"):
        assert unlike_by_facts(read_series(shared / "data" / "mri" / name)) is None
    assert unlike_by_facts(series_of(np.zeros((2, 64, 64)))) is None


class Refuses:
    """A check that nothing passes."""

    def judge(self, slices: list[np.ndarray]) -> tuple[bool, str]:
        assert all(s.ndim == 2 for s in slices)
        return False, "The images are unlike the MR that this model knows (distance 9.00, limit 1.00)."


def test_a_refused_series_has_no_score_anywhere() -> None:
    scorer = Scorer(device="cpu")
    scorer._domain = Refuses()  # type: ignore[assignment]
    series = series_of(stack_like(2))
    quality = scorer.score(series)
    assert quality.verdict is Verdict.NOT_ASSESSED
    assert quality.in_domain is False
    assert (quality.score, quality.interval, quality.flagged) == (None, None, False)
    assert all(s.score is None and not s.artifacts for s in quality.slices)
    assert np.isnan(quality.map).all()
    assert json.loads(quality.to_json())["in_domain"] is False
    assert SeriesQuality.from_json(quality.to_json()).in_domain is False
    shown = render_html([Scored(series, quality)], Policy.default())
    for text in (plain(quality), shown):
        assert "unlike the MR that this model knows (distance 9.00, limit 1.00)" in text


def test_weights_without_a_check_leave_the_question_open() -> None:
    scorer = Scorer(device="cpu")
    scorer._domain = None
    quality = scorer.score(series_of(slice_like()[None]))
    assert quality.in_domain is None
    assert quality.score is not None


@pytest.fixture(scope="module")
def shipped() -> Scorer:
    if "domain.limit" not in load_model().extras:
        pytest.skip("the shipped weights carry no domain.*: training/finish.py has not been run on them")
    return Scorer(device="cpu")


@pytest.mark.parametrize("name", ["pelvis_hip_PX0000_T2cor", "neck_cspine_T2_sct/t2_ms.nii.gz"])
def test_shipped_weights_know_mr_of_anatomies_they_never_saw(shipped: Scorer, shared: Path, name: str) -> None:
    series = read_series(shared / "data" / "mri" / name)
    middle = len(series.voxels) // 2
    quality = shipped.score(replace(series, voxels=series.voxels[middle : middle + 2]))
    assert quality.in_domain is True
    assert quality.score is not None


def test_shipped_weights_refuse_a_photograph(shipped: Scorer) -> None:
    from skimage import data

    quality = shipped.score(series_of(data.camera()[None], ""))
    assert quality.in_domain is False
    assert quality.verdict is Verdict.NOT_ASSESSED
