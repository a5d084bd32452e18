"""``miqanet score``: read, score, write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import typer

from miqanet_core.baseline import Baseline
from miqanet_core.cli import backend
from miqanet_core.cli.guard import FAILED, FLAGGED, UsageError
from miqanet_core.cli.kinds import ErrorKind, ProgressKind
from miqanet_core.cli.outputs import Targets, Writer, with_identity
from miqanet_core.cli.progress import Reporter, make_reporter
from miqanet_core.cli.table import print_result
from miqanet_core.cli.terminal import complain
from miqanet_core.errors import InputError, ModelError
from miqanet_core.policy import Policy
from miqanet_core.quality import SeriesQuality
from miqanet_core.readers import Shard
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
    shard: str = "1/1",
) -> None:
    """The command, its options explained in ``commands.py``; leaves with typer.Exit when the status is not 0."""
    if progress is ProgressKind.JSONL and (targets.use_stdout or not (targets.json or targets.out)):
        raise UsageError("--progress jsonl takes stdout; give the result a file with --json F or --out DIR")
    part = _shard(shard)
    targets = targets.of(part)
    with make_reporter(progress) as reporter:
        policy = load_policy(policy_file)
        baseline = load_baseline(baseline_file)
        writer = Writer(targets, policy)
        with backend.read_ahead(paths, reporter.reading, part) as reading:
            # Files are read meanwhile; where there are none, nobody waits for torch.
            scorer = make_scorer(model, device, precision, policy, baseline) if reading.anything else None
            found = _at_most_one_series(reading) if targets.overlay else reading
            failed = _score_all(found, scorer, writer, reporter, identity)
        _finish(writer, reporter)
    if failed:
        raise typer.Exit(FAILED)
    if fail_on_flag and writer.flagged:
        raise typer.Exit(FLAGGED)


def _shard(text: str) -> Shard:
    index, _, count = text.partition("/")
    if index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count):
        return Shard(int(index), int(count))
    raise UsageError(f"--shard {text}: name a part and how many there are, for example 2/4")


def _at_most_one_series(found: Iterable[MRSeries | InputError]) -> list[MRSeries | InputError]:
    """All that was found, held back until it is sure that there is no second series."""
    held: list[MRSeries | InputError] = []
    for one in found:
        if isinstance(one, MRSeries) and any(isinstance(other, MRSeries) for other in held):
            raise UsageError("--overlay takes one series and there are more; use --out DIR, it writes one for each")
        held.append(one)
    return held


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


def score_one(
    number: int, series: MRSeries, scorer: backend.SeriesScorer, reporter: Reporter, identity: bool = False
) -> SeriesQuality:
    """Score a series and tell how far it is."""
    reporter.start(number, len(series.voxels), series.description, str(series.sources[0]) if series.sources else "")
    return with_identity(series, scorer.score(series, progress=reporter.slice), identity)


def _score_all(
    found: Iterable[MRSeries | InputError],
    scorer: backend.SeriesScorer | None,
    writer: Writer,
    reporter: Reporter,
    identity: bool,
) -> bool:
    """Score each series and let go of it; tell each failure. Returns whether there was one."""
    failed = False
    number = printed = 0
    for one in found:
        if isinstance(one, InputError):
            failed = True
            tell(one, reporter)
            continue
        assert scorer is not None
        try:
            quality = score_one(number, one, scorer, reporter, identity)
        except InputError as error:
            failed = True
            tell(error, reporter)
            continue
        finally:
            number += 1
        result = writer.add(one, quality)
        if result:
            reporter.done(number - 1, str(result))
        else:
            writer.waiting.append(number - 1)
        if writer.targets.none_named:
            reporter.pause()
            print_result(quality, writer.policy, first=not printed)
            printed += 1
    return failed


def _finish(writer: Writer, reporter: Reporter) -> None:
    """Write the rest. ``done`` says that the result is there; without ``--out`` it is there only now."""
    writer.finish()
    for number in writer.waiting:
        reporter.done(number, str(writer.targets.json or ""))


def tell(error: InputError, reporter: Reporter) -> None:
    """Say what is wrong with an input, to the person and to the front end."""
    complain(str(error))
    kind = ErrorKind.MEMORY if isinstance(error.__cause__, MemoryError) else ErrorKind.INPUT
    reporter.error(str(error), str(error.path), kind)
