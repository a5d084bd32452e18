"""One row per slice, for a spreadsheet or a script."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from miqanet_core.quality import SeriesQuality, SliceQuality

COLUMNS = (
    "series",  # its description
    "slice",  # as people count, from 1
    "score",  # 0 (worst) to 100 (best); empty: not scored
    "flagged",  # 1 or 0
    "series_score",
    "series_score_low",  # the interval of the series' score
    "series_score_high",
    "series_verdict",
    "series_flagged",
    "model",
    "model_version",
    "protocol",  # these two only with a site's baseline
    "normal_limit",
)


def to_csv(results: Sequence[SeriesQuality]) -> str:
    """The table of one or more series, one row a slice.

    Severities, where a model names artefacts, or "unclear", follow as ``artifact_NAME`` columns.
    """
    return "".join(csv_parts(results, sorted(set().union(*map(artifacts_in, results)))))


def artifacts_in(quality: SeriesQuality) -> set[str]:
    """The artefacts that the model names in a series, or leaves unclear."""
    return {name for s in quality.slices for name in (*s.artifacts, *s.unclear)}


def csv_parts(results: Iterable[SeriesQuality], artifacts: Sequence[str]) -> Iterator[str]:
    """The table of :func:`to_csv` part by part: the header, then each series; ``artifacts``: the names of its last columns."""
    yield _lines([[*COLUMNS, *(_safe(f"artifact_{name}") for name in artifacts)]])
    for quality in results:
        yield _lines(_row(quality, s, artifacts) for s in quality.slices)


def _lines(rows: Iterable[Sequence[str | int]]) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()


def _row(quality: SeriesQuality, s: SliceQuality, artifacts: Iterable[str]) -> list[str | int]:
    return [
        _safe(str(quality.series.get("description", ""))),
        s.index + 1,
        _number(s.score),
        int(s.flagged),
        _number(quality.score),
        _number(quality.interval and quality.interval.low),
        _number(quality.interval and quality.interval.high),
        quality.verdict.value,
        int(quality.flagged),
        _safe(quality.model.name),
        _safe(quality.model.version),
        _safe(quality.normal.protocol) if quality.normal else "",
        _number(quality.normal and quality.normal.limit),
        *("unclear" if name in s.unclear else _number(s.artifacts.get(name)) for name in artifacts),
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _safe(text: str) -> str:
    """Text that no spreadsheet runs as a formula: a leading apostrophe marks it as text (OWASP, CSV injection)."""
    text = text.replace("\r", " ")  # Python's writer leaves it unquoted, and readers would begin a new row
    return f"'{text}" if text.startswith(("\t", "\n")) or text.lstrip().startswith(("=", "+", "-", "@")) else text
