"""What people are told: the words, rows, order, curve and colours that the report, the window and the Slicer panel share."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from miqanet_core import presenter
from miqanet_core.policy import Policy
from miqanet_core.quality import Interval, Normal, SliceQuality, Verdict
from report_samples import assess, make_series

POLICY = Policy.default()
USUAL = Interval(61.04, 88.29, 0.9)
WITHOUT = ("torch", "qtpy", "PySide6", "matplotlib", "PIL", "scipy", "SimpleITK", "nibabel", "jinja2")


def quality_of(scores, interval=USUAL, **changes):
    return replace(assess(make_series(scores)), interval=interval, in_domain=True, **changes)


def test_needs_numpy_alone():
    blocked = "; ".join(f"sys.modules[{name!r}] = None" for name in WITHOUT)
    code = f"import sys; {blocked}; from miqanet_core import presenter; print(presenter.colour_of(0))"
    root = Path(__file__).resolve().parents[3]
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert result.stdout == "(253, 231, 36)\n", result.stderr


def test_headline_and_interval_round_down_as_everywhere():
    quality = replace(quality_of([80.0, 70.0]), score=59.97)
    assert presenter.headline(quality) == "59.9 / 100"
    assert presenter.interval_text(quality.interval) == "61.0 to 88.2 in 90 % of cases"
    assert presenter.interval_text(None) == ""


def test_a_series_that_is_not_assessed_shows_no_number_and_no_doubts():
    quality = assess(make_series([80.0, 70.0], modality="CT"))
    assert presenter.headline(quality) == "Not assessed"
    assert presenter.doubts(quality, POLICY) == ()
    text = presenter.plain_summary(quality, POLICY)
    assert text.splitlines()[:3] == ["t2_tse_ax", "Not assessed", "- This is no MR series."]
    assert "/ 100" not in text


@pytest.mark.parametrize(
    ("low", "high", "crossed"),
    [
        (61, 88, []),
        (60, 88, []),
        (59.9, 88, ["diagnostic"]),
        (40, 60, ["diagnostic"]),
        (30, 70, ["diagnostic", "non-diagnostic"]),
    ],
)
def test_a_range_that_reaches_over_a_threshold_is_low_confidence(low, high, crossed):
    quality = quality_of([80.0, 70.0], Interval(low, high, 0.9))
    said = [sentence for sentence in presenter.doubts(quality, POLICY) if sentence.startswith("Low confidence")]
    assert [sentence.rsplit("threshold for ")[-1] for sentence in said] == [f"{name}." for name in crossed]


def test_low_confidence_is_against_the_sites_own_limit():
    normal = Normal("p", 40, 55.0, 62.0, 70.0, limit=66.0, share=0.025)
    quality = quality_of([80.0, 70.0], Interval(62.0, 88.0, 0.9), normal=normal)
    assert any("reaches over 66" in sentence for sentence in presenter.doubts(quality, POLICY))


def test_what_nobody_checked_or_measured_is_said():
    quality = replace(quality_of([80.0, 70.0], None), in_domain=None)
    text = " ".join(presenter.doubts(quality, POLICY))
    for expected in ("Nothing has checked", "has not been measured", "no sign that there is none"):
        assert expected in text
    named = replace(quality, slices=(replace(quality.slices[0], unclear=("blur",)), quality.slices[1]))
    assert "no sign" not in " ".join(presenter.doubts(named, POLICY))


def test_rows_count_from_one_and_name_what_is_sure_and_what_is_not():
    slices = [
        SliceQuality(0, 80.0, False, {"wrap_around": 0.134, "ghosting": 0.42}, ("blur", "white_noise")),
        SliceQuality(1, 41.26, True),
        SliceQuality(2, None),
    ]
    first, second, third = presenter.slice_rows(slices)
    assert (first.number, first.score_text, first.flag) == (1, "80.0", "")
    assert (first.artifacts, first.unclear) == ("Ghosting 0.42, wrap around 0.13", "blur, white noise")
    assert (second.score_text, second.flag) == ("41.2", "▲ flagged")
    assert (third.score_text, third.flag) == ("\N{EN DASH}", "not scored")


@pytest.mark.parametrize(
    ("column", "descending", "expected"),
    [
        ("number", False, [0, 1, 2, 3]),
        ("number", True, [3, 2, 1, 0]),
        ("score", False, [2, 3, 0, 1]),
        ("score", True, [0, 2, 3, 1]),
        ("flag", False, [2, 3, 0, 1]),
        ("artifacts", False, [3, 0, 2, 1]),
        ("unclear", False, [0, 2, 3, 1]),
    ],
)
def test_rows_are_sorted_with_unscored_ones_last(column, descending, expected):
    slices = [
        SliceQuality(0, 80.0, unclear=("blur",)),
        SliceQuality(1, None),
        SliceQuality(2, 30.0, True),
        SliceQuality(3, 30.0, True, {"motion": 0.2}),
    ]
    rows = presenter.sort_rows(presenter.slice_rows(slices), column, descending)
    assert [row.index for row in rows] == expected


def test_worst_slices_are_scored_ones_and_ties_keep_their_order():
    slices = assess(make_series([50.0, None, 20.0, 50.0, 90.0])).slices
    assert [s.index for s in presenter.worst_slices(slices, 3)] == [2, 0, 3]
    assert [s.index for s in presenter.worst_slices(slices)] == [2, 0, 3, 4]


def test_next_and_previous_worst_walk_the_order_and_stop_at_its_ends():
    slices = assess(make_series([50.0, None, 20.0, 90.0])).slices
    assert presenter.next_worst(slices) == 2
    assert presenter.next_worst(slices, 2) == 0
    assert presenter.next_worst(slices, 3) is None
    assert presenter.next_worst(slices, 1) == 2  # not scored: begins anew
    assert presenter.previous_worst(slices, 0) == 2
    assert presenter.previous_worst(slices, 2) is None
    assert presenter.previous_worst(slices, None) is None
    assert presenter.next_worst([SliceQuality(0, None)]) is None


def test_curve_holds_gaps_flags_and_thresholds_from_the_top():
    curve = presenter.score_curve(assess(make_series([80.0, None, 30.0])).slices, POLICY)
    assert curve.numbers.tolist() == [1, 2, 3]
    assert np.isnan(curve.scores[1])
    assert curve.flagged.tolist() == [False, False, True]
    assert [(line.of, line.value) for line in curve.thresholds] == [("series", 60), ("slice", 50), ("series", 40)]
    normal = Normal("p", 40, 55.0, 62.0, 70.0, limit=66.0, share=0.025)
    assert presenter.score_curve([], POLICY, normal).thresholds[0].value == 66.0


def test_provisional_slices_are_flagged_by_the_policy():
    flags = [presenter.provisional_slice(0, score, POLICY).flagged for score in (49.9, 50.0, None)]
    assert flags == [True, False, False]
    assert "Provisional" in presenter.progress_text(3, 20)


def test_colours_are_viridis_from_its_bright_end():
    expected = matplotlib.colormaps["viridis_r"](np.arange(256), bytes=True)[:, :3]
    np.testing.assert_array_equal(presenter.QUALITY_COLOURS, expected)
    assert presenter.colour_of(0.0) == (253, 231, 36)
    assert presenter.colour_of(100.0) == (68, 1, 84)
    assert presenter.colour_of(None) is None
    assert presenter.colour_of(float("nan")) is None


def test_painting_leaves_what_was_not_scored_grey_and_mixes_the_rest():
    grey = np.array([[0.0, 0.5, 1.0]], np.float32)
    quality = np.array([[np.nan, 0.0, 100.0]], np.float32)
    half = presenter.paint(grey, quality, 0.5)[0].tolist()
    assert half == [[0, 0, 0], [190, 179, 82], [162, 128, 170]]
    assert presenter.paint(grey, quality, 0.0)[0, :, 0].tolist() == [0, 128, 255]
    assert presenter.paint(grey, quality, 1.0)[0, 1].tolist() == [253, 231, 36]


def luminance(colour: str) -> float:
    """WCAG 2.1's relative luminance of a CSS colour."""
    levels = np.frombuffer(bytes.fromhex(colour[1:]), np.uint8) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("palette", [presenter.LIGHT, presenter.DARK])
def test_text_stands_out_from_what_it_lies_on(palette):
    pairs = [(palette.ink, palette.panel), (palette.quiet, palette.panel), (palette.quiet, palette.page)]
    pairs += [(getattr(palette, kind), getattr(palette, f"{kind}_soft")) for kind in ("good", "fair", "bad")]
    for text, ground in pairs:
        bright, dark = sorted((luminance(text), luminance(ground)), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


def test_summary_is_plain_text_without_identity():
    quality = quality_of([80.0, 30.0, 85.0], Interval(50.0, 70.0, 0.9))
    quality = replace(quality, series={**quality.series, "description": "t2\n tse", "identity": {"patient_name": "Curie"}})
    text = presenter.plain_summary(quality, POLICY)
    assert text.splitlines()[:2] == ["t2 tse", "Limited, 65.0 / 100 (50.0 to 70.0 in 90 % of cases)"]
    for expected in (
        "Low confidence",
        "Lowest: slice 2 (30.0), slice 1 (80.0)",
        "stand_in, version 0.0",
        "not a medical device",
    ):
        assert expected in text
    assert "Curie" not in text


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_has_sign_word_and_meaning(verdict):
    assert presenter.verdict_text(verdict) == f"{presenter.ICON[verdict]} {presenter.LABEL[verdict]}"
    assert presenter.MEANING[verdict]
