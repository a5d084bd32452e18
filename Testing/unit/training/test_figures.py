"""The figures of the model card: right for models whose figures are known, and never from images that were left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from card import read_left_out
from figures import (
    artifact_figures,
    calibration_error,
    clean_above,
    interval_figures,
    ladder_figures,
    left_out_figures,
    present,
    series_scores,
    tau,
)
from held_out import RUNGS, SEVERITIES, Ladder, climb, rungs, teacher_scores
from miqanet_core import Scorer, artifacts
from miqanet_core.errors import InputError
from miqanet_core.transforms import anatomy_mask
from mr_samples import slice_like
from physics import averaging, noisy_averages, shorter
from sources import Reference, Source

NAMES = tuple(artifacts.families())
SEVERITY = np.array([severity for _, severity in RUNGS])


def ladders(score: Callable[[np.ndarray, np.random.Generator], np.ndarray], subjects: int = 4) -> list[Ladder]:
    """Ladders of several subjects, two slices each, by a model that is a function of the teacher's score."""
    rng = np.random.default_rng(3)
    made = []
    for number in range(2 * subjects):
        source = Source("a", f"subject {number // 2}", "head", "T1", "none", "CC0-1.0", "test")
        teacher = 100 - 80 * SEVERITY + rng.normal(0, 0.1, len(RUNGS)) * (SEVERITY > 0)
        logits = np.where(present(NAMES), 3.0, -3.0) + rng.normal(0, 1, (len(RUNGS), len(NAMES)))
        seen = np.repeat(SEVERITY[:, None], len(NAMES), 1)
        reference = Reference(slice_like(128, 128), source, str(number))
        made.append(Ladder(reference, number, score(teacher, rng), teacher, logits, seen))
    return made


def test_a_perfect_and_a_reversed_model() -> None:
    perfect = ladder_figures(ladders(lambda teacher, _: teacher), 1)
    assert perfect["median_srocc"] == {"value": pytest.approx(1), "low": pytest.approx(1), "high": pytest.approx(1)}
    assert perfect["clean_above"] == 1
    assert perfect["mean_absolute_error"] == 0
    assert all(f["tau"]["value"] == pytest.approx(1) for f in perfect["by_artifact"].values())
    assert all(f["rising"] == 0 for f in perfect["by_artifact"].values())
    assert perfect["by_subject"]["subject 0"]["slices"] == 2
    assert perfect["by_anatomy"]["head"]["subjects"] == 4
    for ladder in ladders(lambda teacher, _: 100 - teacher):
        assert tau(ladder, "motion") == pytest.approx(-1)
        assert clean_above(ladder, "motion") == 0


@pytest.mark.parametrize("rung", [1, -1], ids=["above the clean slice", "above a milder rung"])
def test_a_ladder_that_rises_is_counted_from_ten_points_on(rung: int) -> None:
    made = ladders(lambda teacher, _: teacher)
    climbed = [0, *range(len(RUNGS))[made[0].rungs_of("ghosting")]]  # 0 is the clean slice
    for rise, counted in ((9.0, 0), (11.0, 1)):
        score = made[0].score.copy()
        score[climbed[rung]] = score[climbed[rung - 1]] + rise
        found = ladder_figures([replace(made[0], score=score), *made[1:]], 1)["by_artifact"]
        assert {name: f["rising"] for name, f in found.items() if f["rising"]} == ({"ghosting": 1} if counted else {})


def test_a_blind_model_has_no_correlation_and_a_wide_interval() -> None:
    found = ladder_figures(ladders(lambda teacher, rng: rng.permutation(teacher)), 1)["median_srocc"]
    assert abs(found["value"]) < 0.3
    assert found["low"] < found["value"] < found["high"]


def test_artefact_figures_of_a_head_that_sees_everything() -> None:
    found = artifact_figures(ladders(lambda teacher, _: teacher), NAMES)
    for of in found["by_family"].values():
        assert of["auroc"] > 0.98
        assert of["severity_error"] == 0
        assert of["named"] > 0.8
        assert of["named_wrongly"] < 0.05
    assert found["calibration_error"] < 0.05


def test_left_out_artefacts_are_judged_on_their_own_rungs() -> None:
    made = ladders(lambda teacher, _: teacher)
    wrong = [replace(each, score=np.where(np.arange(len(RUNGS)) > 7, 50.0, each.score)) for each in made]  # all but the first
    first, second = artifacts.names()[:2]
    found = left_out_figures(wrong, [first, second], 1)
    assert found[first]["srocc"]["value"] == pytest.approx(1.0, abs=0.02)
    assert found[second]["srocc"]["value"] < found[first]["srocc"]["value"] - 0.2


def test_figures_of_left_out_artefacts_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"recipe": 1}')
    with pytest.raises(InputError, match=r"other\.json: holds no figures.*left-out"):
        read_left_out(tmp_path / "other.json")
    with pytest.raises(InputError, match="absent"):
        read_left_out(tmp_path / "absent.json")


def test_calibration_error_of_known_cases() -> None:
    assert calibration_error(np.full(10, 0.7), np.arange(10) < 7) == pytest.approx(0)
    assert calibration_error(np.full(10, 0.9), np.zeros(10, bool)) == pytest.approx(0.9)


def test_interval_covers_subjects_it_was_not_fitted_to() -> None:
    found = interval_figures(ladders(lambda teacher, rng: teacher + rng.normal(0, 8, len(teacher)), 12))
    assert found["coverage"] == pytest.approx(0.9, abs=0.04)
    assert 15 < found["median_width"] < 40


def test_an_interval_that_fails_on_clean_series_alone_is_told() -> None:
    found = interval_figures(ladders(lambda teacher, _: np.where(SEVERITY > 0, teacher, 40), 12))
    assert found["coverage"] > 0.9
    assert found["clean"] == 0


def test_rungs_start_clean_and_the_teacher_knows_it() -> None:
    image = slice_like(128, 128)
    stack = rungs(image, 1)
    assert stack.shape == (1 + len(artifacts.names()) * len(SEVERITIES), 128, 128)
    assert np.array_equal(stack[0], image)
    teacher = teacher_scores(stack)
    assert teacher[0] == pytest.approx(100, abs=0.01)
    assert (teacher[1:] < 100).all()


def test_a_rung_that_is_not_scored_stops_the_figures() -> None:
    source = Source("a", "somebody", "head", "T1", "none", "CC0-1.0", "test")
    noise = np.random.default_rng(1).random((64, 64), np.float32)  # no anatomy, so nothing to score
    with pytest.raises(ValueError, match="not scored"):
        climb(Scorer(device="cpu"), [Reference(noise, source)])


def test_averaging_repeats_of_real_epi_is_measured_slice_by_slice() -> None:
    found = averaging(Scorer(device="cpu"))
    assert len(found["repeats"]) == 2
    assert 0 <= found["slices_won"] <= 1


def test_averages_of_more_repeats_hold_less_noise() -> None:
    image = slice_like(128, 128)
    noise = [float((each - image)[anatomy_mask(image)].std()) for each in noisy_averages(image, 1)]
    assert np.allclose(np.array(noise[:-1]) / noise[1:], 2**0.5, rtol=0.1)


def test_lines_are_removed_along_one_axis_only() -> None:
    image = slice_like(128, 128)
    whole, *fewer = shorter(image)
    assert np.array_equal(whole, image)
    sharpness = [float(np.abs(np.diff(x, axis=0)).mean()) for x in (whole, *fewer)]
    assert sharpness == sorted(sharpness, reverse=True)


def test_series_scores_are_means_over_slices() -> None:
    one, two = ladders(lambda teacher, _: teacher)[:2]
    two = replace(two, score=two.score + 10, reference=replace(two.reference, series=one.reference.series))
    predicted, truth = series_scores([one, two])
    assert len(predicted) == len(truth) == len(RUNGS)
    assert np.allclose(predicted, (one.score + two.score) / 2)
