"""``miqanet score``: read, score, write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from miqanet_core.baseline import Baseline
from miqanet_core.cli import backend
from miqanet_core.cli.guard import FAILED, FLAGGED, UsageError
from miqanet_core.cli.kinds import ErrorKind, ProgressKind
from miqanet_core.cli.outputs import Targets, Writer, with_identity
from miqanet_core.cli.progress import Reporter, make_reporter
from miqanet_core.cli.table import print_results
from miqanet_core.cli.terminal import complain
from miqanet_core.errors import InputError, ModelError
from miqanet_core.policy import Policy
from miqanet_core.quality import SeriesQuality
from miqanet_core.series import MRSeries


def run(
    paths: Sequence[Path],
    targets: Targets,
    *,
    model: str = "default",
    device: str = "auto",
    precision: str = "auto",
    policy_file: Path | None = None,
    baseline_file: Path | None = None,
    progress: ProgressKind = ProgressKind.AUTO,
    fail_on_flag: bool = False,
    identity: bool = False,
) -> None:
    """The command, its options explained in ``commands.py``; leaves with typer.Exit when the status is not 0."""
    if progress is ProgressKind.JSONL and (targets.use_stdout or not (targets.json or targets.out)):
        raise UsageError("--progress jsonl takes stdout; give the result a file with --json F or --out DIR")
    with make_reporter(progress) as reporter:
        policy = load_policy(policy_file)
        baseline = load_baseline(baseline_file)
        series, failed = read(paths, reporter)
        if targets.overlay and len(series) > 1:
            raise UsageError(f"--overlay takes one series and there are {len(series)}; use --out DIR, it writes one for each")
        writer = Writer(targets, policy)
        if series:
            scorer = make_scorer(model, device, precision, policy, baseline)
            failed |= _score_all(series, scorer, writer, reporter, identity)
        _finish(writer, reporter)
    results = [quality for _, quality in writer.results]
    if results and targets.none_named:
        print_results(results, policy)
    if failed:
        raise typer.Exit(FAILED)
    if fail_on_flag and any(quality.flagged for quality in results):
        raise typer.Exit(FLAGGED)


def load_policy(path: Path | None) -> Policy:
    """The site's thresholds or the default ones; a bad file is wrong usage: no image is at fault."""
    try:
        return Policy.load(path) if path else Policy.default()
    except InputError as error:
        raise UsageError(str(error)) from error


def load_baseline(path: Path | None) -> Baseline | None:
    """The site's baseline, if one is named; a bad file is wrong usage."""
    try:
        return Baseline.load(path) if path else None
    except InputError as error:
        raise UsageError(str(error)) from error


def make_scorer(
    model: str, device: str, precision: str, policy: Policy, baseline: Baseline | None = None
) -> backend.SeriesScorer:
    """The scorer; a model or device that is not there, or a baseline of another model, is wrong usage."""
    try:
        return backend.make_scorer(model, device, precision, policy, baseline)
    except ModelError as error:
        raise UsageError(str(error)) from error


def read(paths: Sequence[Path], reporter: Reporter) -> tuple[list[MRSeries], bool]:
    """Every series below the paths, and whether something could not be read; each such thing has been told by then."""
    series: list[MRSeries] = []
    failed = False
    for path in paths:
        found, failures = _scan(path, reporter)
        series.extend(found)
        for failure in failures:
            failed = True
            tell(failure, reporter)
    return series, failed


def score_one(
    number: int, series: MRSeries, scorer: backend.SeriesScorer, reporter: Reporter, identity: bool = False
) -> SeriesQuality:
    """Score a series and tell how far it is."""
    reporter.start(number, len(series.voxels), series.description, str(series.sources[0]) if series.sources else "")
    return with_identity(series, scorer.score(series, progress=reporter.slice), identity)


def _score_all(
    series: Sequence[MRSeries], scorer: backend.SeriesScorer, writer: Writer, reporter: Reporter, identity: bool
) -> bool:
    failed = False
    for number, one in enumerate(series):
        try:
            quality = score_one(number, one, scorer, reporter, identity)
        except InputError as error:
            failed = True
            tell(error, reporter)
            continue
        result = writer.add(one, quality)
        if result:
            reporter.done(number, str(result))
        else:
            writer.waiting.append(number)
    return failed


def _finish(writer: Writer, reporter: Reporter) -> None:
    """Write the rest. ``done`` says that the result is there; without ``--out`` it is there only now."""
    writer.finish()
    for number in writer.waiting:
        reporter.done(number, str(writer.targets.json or ""))


def _scan(path: Path, reporter: Reporter) -> tuple[list[MRSeries], list[InputError]]:
    try:
        result = backend.scan(path, reporter.reading)
    except InputError as error:
        return [], [error]
    if result.series or result.failures:
        return result.series, result.failures
    left_out = ", ".join(f"{count} x {reason}" for reason, count in sorted(result.skipped.items()))
    problem = f"holds no image (left out: {left_out})" if left_out else "holds no file"
    return [], [InputError(path, problem, "name a DICOM folder, or a NIfTI, NRRD, MetaImage, PNG or JPEG file")]


def tell(error: InputError, reporter: Reporter) -> None:
    """Say what is wrong with an input, to the person and to the front end."""
    complain(str(error))
    kind = ErrorKind.MEMORY if isinstance(error.__cause__, MemoryError) else ErrorKind.INPUT
    reporter.error(str(error), str(error.path), kind)
