"""``miqanet calibrate``: score a site's good series and write down what is normal for each protocol."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import typer

from miqanet_core.baseline import Baseline, learn
from miqanet_core.cli import backend
from miqanet_core.cli.baseline_table import print_baseline
from miqanet_core.cli.guard import FAILED, UsageError
from miqanet_core.cli.kinds import ProgressKind
from miqanet_core.cli.progress import Reporter, make_reporter
from miqanet_core.cli.score import make_scorer, score_one
from miqanet_core.cli.terminal import complain, inform
from miqanet_core.domain import ASSESSED
from miqanet_core.errors import InputError
from miqanet_core.policy import Policy, format_score
from miqanet_core.protocol import protocol_of
from miqanet_core.quality import ModelIdentity, Normal
from miqanet_core.readers import WHOLE
from miqanet_core.report.files import write_file
from miqanet_core.series import MRSeries


class _Good(NamedTuple):
    """One series' score, and how the user knows the series."""

    score: float
    name: str


@dataclass
class _Gathered:
    """``good``: the scored series of each protocol. ``left_out``: how many were not taken, by reason."""

    good: dict[str, list[_Good]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    model: ModelIdentity | None = None
    failed: bool = False
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def reason_to_leave_out(self, series: MRSeries, protocol: str | None) -> str:
        """Why a series is not to be scored; "" when it is."""
        if series.modality not in ASSESSED:
            return f"modality {series.modality}"
        if protocol is None:
            return "does not say how it was acquired"
        uid = series.identity.series_uid
        if uid and (uid, protocol) in self._seen:
            # 200 time points are one patient in one scan; as 200 series they would make anything look normal.
            return "another time point or copy of a series"
        self._seen.add((uid, protocol))
        return ""


def run(paths: Sequence[Path], out: Path, *, model: str = "default", device: str = "auto", precision: str = "auto") -> None:
    """The command, its options explained in ``commands.py``; leaves with typer.Exit when the status is not 0."""
    _check_target(out)
    policy = Policy.default()
    gathered = _Gathered()
    with make_reporter(ProgressKind.AUTO) as reporter, backend.read_ahead(paths, reporter.reading, WHOLE) as reading:
        scorer = make_scorer(model, device, precision, policy)
        _gather(reading, gathered, scorer, reporter)
    for reason, count in sorted(gathered.left_out.items()):
        inform(f"left out: {count} x {reason}")
    if gathered.model is None or not gathered.good:
        raise InputError(paths[0], "holds no series to learn from", "name folders of good MR series in DICOM")
    normals, outliers = {}, Counter[str]()
    for protocol, good in gathered.good.items():
        normals[protocol], indices = learn(protocol, [series.score for series in good])
        outliers[protocol] = len(indices)
        for index in indices:
            complain(_outlier(good[index], normals[protocol]))
    write_file(out, Baseline(gathered.model, normals).to_json())
    print_baseline(list(normals.values()), outliers, policy)
    inform(f"wrote {out}")
    if gathered.failed:
        raise typer.Exit(FAILED)


def _check_target(out: Path) -> None:
    """Before hours of scoring, not after them."""
    parent = next(folder for folder in out.absolute().parents if folder.exists())
    if out.is_dir() or not parent.is_dir() or not os.access(parent, os.W_OK):
        raise UsageError(f"--out {out}: cannot be written; name a file in a folder that you may write to")


def _gather(
    found: Iterable[MRSeries | InputError], gathered: _Gathered, scorer: backend.SeriesScorer, reporter: Reporter
) -> None:
    """Score the series, one at a time in memory; each failure is told."""
    number = -1
    for one in found:
        try:
            if isinstance(one, InputError):
                raise one
            number += 1
            _take(number, one, gathered, scorer, reporter)
        except InputError as error:
            gathered.failed = True
            complain(str(error))


def _take(number: int, series: MRSeries, gathered: _Gathered, scorer: backend.SeriesScorer, reporter: Reporter) -> None:
    protocol = protocol_of(series)
    if reason := gathered.reason_to_leave_out(series, protocol):
        gathered.left_out[reason] += 1
        return
    try:
        quality = score_one(number, series, scorer, reporter)
    finally:
        reporter.done(number, "")
    if quality.score is None or protocol is None:
        gathered.left_out["unlike known MR" if quality.in_domain is False else "too little anatomy"] += 1
        return
    gathered.model = quality.model
    name = f"{series.sources[0]} ({series.description})" if series.sources else series.description
    gathered.good.setdefault(protocol, []).append(_Good(quality.score, name))


def _outlier(series: _Good, normal: Normal) -> str:
    others = f"{format_score(normal.low)} to {format_score(normal.high)}"
    return (
        f"{series.name}: scores {format_score(series.score)} where the others of its protocol score {others}; "
        "left out as an outlier: look at it"
    )
