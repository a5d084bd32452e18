"""Stand-ins for the reader and the scorer, set in place of ``miqanet_core.cli.backend``'s, the command line's one seam.

The names of paths say what they hold; see ``CONTENTS``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from judged import MODEL
from miqanet_core.baseline import Baseline
from miqanet_core.cli import app, backend, main
from miqanet_core.errors import Cancelled, InputError, ModelError
from miqanet_core.policy import Policy
from miqanet_core.quality import SeriesQuality
from miqanet_core.readers import WHOLE, Shard
from miqanet_core.readers.kinds import nothing_in
from miqanet_core.series import MRSeries
from report_samples import assess, make_series

GOOD, LIMITED, BAD = [80.0, 70.0, None, 90.0], [80.0, 30.0, 85.0], [20.0, 30.0]

# The scores of a site's good series of one protocol.
SITE = [78.0 + 0.5 * (7 * n % 24) for n in range(24)]


def of_site(number: int, score: float) -> MRSeries:
    """A series of that protocol: its number tells it from the others."""
    series = make_series([score, score], f"t2 of Curie, {number}")
    facts = {"manufacturer": "ACME", "model": "One", "scanning_sequence": "SE", "echo_time_ms": 100.0 + number / 100}
    return replace(series, facts=facts, identity=replace(series.identity, series_uid=f"1.2.3.{number}"))


CONTENTS = {
    "good": [make_series(GOOD)],
    "limited": [make_series(LIMITED, "Bild für Ärzte 脳")],
    "bad": [make_series(BAD, "poor")],
    "ct": [make_series(GOOD, modality="CT")],
    "flat": [make_series(GOOD, geometry=None)],
    "two": [make_series(GOOD, "same name"), make_series(BAD, "same name")],
    "mixed": [make_series(GOOD, "first"), make_series([1.0], "refused by the scorer"), make_series(BAD, "last")],
    "hostile": [make_series(GOOD, "../../etc/\x1b[31mpasswd\nsecond [bold]line")],
    "many": [make_series([float(20 + k % 80) for k in range(160)], "many")],
    "cancelled": [make_series(GOOD, "cancelled")],
    "broken": [make_series(GOOD, "broken")],
    "slow": [make_series(GOOD, "slow")],
    **{f"site {n}": [of_site(n, score) for n, score in enumerate(SITE[:n])] for n in (12, 24)},
    "site with outlier": [of_site(n, score) for n, score in enumerate([*SITE, 21.0])],
    "time points": [of_site(0, score) for score in SITE],
    "site low": [of_site(99, 61.2)],
    "nifti": [make_series(GOOD, "nifti", modality="")],
}


@dataclass
class StandInResult:
    """What a reader hands back."""

    series: list[MRSeries] = field(default_factory=list)
    failures: list[InputError] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)


def scan(path: Path, progress=None) -> StandInResult:
    """Read nothing: look the name up."""
    if progress is not None:
        progress(1, 1)
    if path.name == "absent":
        raise InputError(path, "does not exist", "check the path")
    if path.name == "one bad":
        return StandInResult(CONTENTS["good"], [InputError(path / "x.dcm", "is cut short", "fetch it again")])
    if path.name == "empty":
        return StandInResult(skipped={"PDF": 2})
    return StandInResult(list(CONTENTS[path.name]))


def stream(path: Path, failures: list[InputError], progress=None) -> Iterator[MRSeries]:
    """The same, one after another."""
    result = scan(path, progress)
    failures.extend(result.failures)
    yield from result.series


class StandInReading:
    """Reads nothing ahead: as ``stream``, with the failures of each path before its series, as the real one gives them."""

    def __init__(self, paths: Sequence[Path], progress=None, shard: Shard = WHOLE) -> None:
        self.paths, self.progress, self.shard = paths, progress, shard
        self.anything = any(path.name not in ("absent", "empty") for path in paths)

    def __enter__(self) -> StandInReading:
        return self

    def __exit__(self, *exception) -> None:
        """Nothing to end."""

    def __iter__(self) -> Iterator[MRSeries | InputError]:
        for path in self.paths:
            try:
                result = backend.scan(path, self.progress)
            except InputError as error:
                yield error
                continue
            yield from result.failures
            yield from result.series
            if not result.failures and not result.series:
                yield nothing_in(path, result.skipped)


class StandInScorer:
    """Gives each slice the score that is drawn in it."""

    device, precision = "cpu", "fp32"

    def __init__(self, model: str, device: str, precision: str, policy: Policy, baseline: Baseline | None = None) -> None:
        if model == "absent":
            raise ModelError("unknown model 'absent'; known: stand_in")
        if baseline is not None:
            baseline.check_model(MODEL)
        self.policy, self.baseline = policy, baseline

    def score(self, series: MRSeries, progress=None) -> SeriesQuality:
        """As the real one, with the faults that a series' description asks for."""
        quality = assess(series, self.policy, normal=self.baseline and self.baseline.normal_of(series))
        for s in quality.slices:
            if series.description == "slow":
                print("scoring", file=sys.stderr, flush=True)
                time.sleep(30)
            if progress is not None:
                progress(s.index, s.score)
        if series.description == "cancelled":
            raise Cancelled
        if series.description == "broken":
            raise RuntimeError("a fault of ours\nover two lines")
        if series.description == "refused by the scorer":
            raise InputError("odd.nii", "is constant", "leave it out")
        return quality


def run(capfd, *arguments: str | Path) -> tuple[int, str, str]:
    """The command in this process: its exit status, stdout and stderr. ``capfd``: pytest's."""
    status: object = 0
    try:
        app([str(a) for a in arguments], prog_name="miqanet")
    except SystemExit as leaving:
        status = leaving.code
    captured = capfd.readouterr()
    return int(str(status or 0)), captured.out, captured.err


def install(setattr_=setattr) -> None:
    """Put the stand-ins in place."""
    setattr_(backend, "scan", scan)
    setattr_(backend, "stream", stream)
    setattr_(backend, "read_ahead", StandInReading)
    setattr_(backend, "make_scorer", StandInScorer)


if __name__ == "__main__":
    install()
    main()
