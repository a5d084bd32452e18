"""One row a slice, as tables show it, and how the rows are sorted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from miqanet_core.policy import Policy, format_score
from miqanet_core.quality import SliceQuality, in_words

Column = Literal["number", "score", "flag", "artifacts", "unclear"]


@dataclass(frozen=True)
class SliceRow:
    """``index`` counts from 0 as code does, ``number`` from 1 as people do; the texts are ready to be shown.

    ``score``: 0..100 or None. ``flag``: "▲ flagged", "not scored" or "". ``artifacts``: "Ghosting 0.42, blur 0.13", the most
    severe first. ``severity``: that of the first, 0 without one. ``unclear``: "blur, noise".
    """

    index: int
    number: int
    score: float | None
    score_text: str
    flagged: bool
    flag: str
    artifacts: str
    severity: float
    unclear: str


def slice_rows(slices: Iterable[SliceQuality]) -> list[SliceRow]:
    """The rows in the slices' order."""
    return [_row(s) for s in slices]


def provisional_slice(index: int, score: float | None, policy: Policy) -> SliceQuality:
    """A slice whose score has just come, before the series is judged; flagged by the policy's own threshold."""
    return SliceQuality(index, score, flagged=score is not None and score < policy.slice_flag)


def sort_rows(rows: Sequence[SliceRow], column: Column, descending: bool = False) -> list[SliceRow]:
    """Sorted by a column; slices that were not scored stay last either way, equals stay in the slices' order."""
    in_order = sorted(rows, key=lambda row: row.index)
    scored = [row for row in in_order if row.score is not None or column == "number"]
    unscored = [row for row in in_order if row.score is None and column != "number"]
    return sorted(scored, key=_KEYS[column], reverse=descending) + unscored


_KEYS: dict[Column, Callable[[SliceRow], Any]] = {
    "number": lambda row: row.index,
    "score": lambda row: row.score,
    "flag": lambda row: not row.flagged,
    "artifacts": lambda row: -row.severity,
    "unclear": lambda row: (not row.unclear, row.unclear),
}


def _row(s: SliceQuality) -> SliceRow:
    named = sorted(s.artifacts.items(), key=lambda item: -item[1])
    artifacts = ", ".join(f"{in_words(name).lower()} {severity:.2f}" for name, severity in named)
    flag = "not scored" if s.score is None else "▲ flagged" if s.flagged else ""
    return SliceRow(
        index=s.index,
        number=s.index + 1,
        score=s.score,
        score_text=format_score(s.score),
        flagged=s.flagged,
        flag=flag,
        artifacts=artifacts[:1].upper() + artifacts[1:],
        severity=named[0][1] if named else 0.0,
        unclear=", ".join(in_words(name).lower() for name in s.unclear),
    )
