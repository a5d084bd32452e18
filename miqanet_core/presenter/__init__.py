"""What people are told of a result, and in which colours: one place for the report, the review window and the Slicer panel.

Needs no Qt, torch or matplotlib, so that it can be imported inside 3D Slicer's Python.
"""

from miqanet_core.presenter.colours import DARK, LEGEND, LIGHT, QUALITY_COLOURS, Palette, colour_of, paint
from miqanet_core.presenter.curve import ScoreCurve, Threshold, score_curve, slice_ticks, thresholds
from miqanet_core.presenter.rows import SliceRow, provisional_slice, slice_rows, sort_rows
from miqanet_core.presenter.summary import plain_summary
from miqanet_core.presenter.wording import (
    ICON,
    LABEL,
    MEANING,
    NO_JUDGEMENT,
    NOTICE,
    doubts,
    headline,
    interval_text,
    moment_text,
    person_name,
    progress_text,
    series_name,
    verdict_text,
)
from miqanet_core.presenter.worst import next_worst, previous_worst, worst_slices

__all__ = [
    "DARK",
    "ICON",
    "LABEL",
    "LEGEND",
    "LIGHT",
    "MEANING",
    "NOTICE",
    "NO_JUDGEMENT",
    "QUALITY_COLOURS",
    "Palette",
    "ScoreCurve",
    "SliceRow",
    "Threshold",
    "colour_of",
    "doubts",
    "headline",
    "interval_text",
    "moment_text",
    "next_worst",
    "paint",
    "person_name",
    "plain_summary",
    "previous_worst",
    "progress_text",
    "provisional_slice",
    "score_curve",
    "series_name",
    "slice_rows",
    "slice_ticks",
    "sort_rows",
    "thresholds",
    "verdict_text",
    "worst_slices",
]
