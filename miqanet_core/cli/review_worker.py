"""The processes behind the review window: ``read FOLDER FIRST PATH...``, ``score FOLDER RESULTS NUMBER...``, and for the
catalogue of the listener ``list SORT PAGE`` and ``fetch FOLDER RESULTS FIRST ID...``.

They tell the window what they do as ``miqanet score --progress jsonl`` does, with three events more: ``reading`` (done, total),
``series`` (series: the number under which it lies in the folder; of the catalogue's also ``origin`` in words, and ``result``,
None when it has none that holds) and ``catalogue`` (a page of it, see :func:`miqanet_core.cli.review_catalogue.listed`).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import typer

from miqanet_core.cli import backend
from miqanet_core.cli.guard import guarded
from miqanet_core.cli.outputs import Targets, Writer
from miqanet_core.cli.progress import JsonLines, Reporter
from miqanet_core.cli.score import load_baseline, load_policy, make_scorer, score_one, tell
from miqanet_core.cli.terminal import survive_any_text
from miqanet_core.desktop.workspace import MAP, load_series, save_array, save_series
from miqanet_core.errors import InputError
from miqanet_core.policy import Policy
from miqanet_core.quality import SeriesQuality
from miqanet_core.series import MRSeries

_NOTHING = "name a DICOM folder, or a NIfTI, NRRD, MetaImage, PNG or JPEG file"


@guarded
def read(folder: Path, first: int, paths: list[Path]) -> None:
    """Put every series below the paths into the folder, numbered from ``first``; each fault is told, and the rest read."""
    number = first
    with JsonLines() as reporter:
        for path in paths:
            failures: list[InputError] = []
            before = number
            try:
                for series in backend.stream(path, failures, _tell_reading):
                    save_series(folder, number, series)
                    _emit(event="series", series=number)
                    number += 1
            except InputError as error:
                failures.append(error)
            if number == before and not failures:
                failures.append(InputError(path, "holds no image", _NOTHING))
            for failure in failures:
                tell(failure, reporter)


@guarded
def score(folder: Path, results: Path, numbers: list[int], options: argparse.Namespace) -> None:
    """Score series of the folder, one after another; each gets a folder below ``results``: report, JSON, CSV and map."""
    with JsonLines() as reporter:
        policy = load_policy(options.policy)
        scorer = make_scorer(options.model, options.device, options.precision, policy, load_baseline(options.baseline))
        for number in numbers:
            try:
                _score_one(folder, results, number, scorer, policy, reporter)
            except InputError as error:
                tell(error, reporter)


@guarded
def list_catalogue(config: Path, sort: str, page: int) -> None:
    """Tell one page of the catalogue, ``sort`` first: "newest" or "worst"."""
    from miqanet_core.cli import review_catalogue as catalogue

    with JsonLines():
        settings = catalogue.settings_of(config)
        _emit(event="catalogue", **catalogue.listed(settings, catalogue.Sort(sort), page))


@guarded
def fetch(folder: Path, results: Path, first: int, ids: list[int], options: argparse.Namespace) -> None:
    """Put series of the catalogue into the folder, numbered from ``first``, and the results that are kept below ``results``."""
    from miqanet_core.cli import review_catalogue as catalogue

    number = first
    with JsonLines() as reporter:
        policy, settings = load_policy(options.policy), catalogue.settings_of(options.config)
        for series_id in ids:
            try:
                for series, quality, origin in catalogue.kept(settings, series_id):
                    save_series(folder, number, series)
                    result = None if quality is None else str(_write(results, number, series, quality, policy))
                    _emit(event="series", series=number, origin=origin, result=result)
                    number += 1
            except InputError as error:
                tell(error, reporter)


def _score_one(
    folder: Path, results: Path, number: int, scorer: backend.SeriesScorer, policy: Policy, reporter: Reporter
) -> None:
    series = load_series(folder, number)
    quality = score_one(number, series, scorer, reporter)
    reporter.done(number, str(_write(results, number, series, quality, policy)))


def _write(results: Path, number: int, series: MRSeries, quality: SeriesQuality, policy: Policy) -> Path:
    """A folder below ``results`` with all that ``miqanet score --out`` writes, and the map for the window; the JSON's path."""
    result = Writer(Targets(out=results / str(number)), policy).add(series, quality)
    assert result is not None
    if quality.map is not None:
        save_array(result.parent / MAP, quality.map)
    return result


def _tell_reading(done: int, total: int) -> None:
    _emit(event="reading", done=done, total=total)


def _emit(**event: object) -> None:
    print(json.dumps(event), flush=True)


def main() -> None:
    """Entry point of the process."""
    survive_any_text()
    parser = argparse.ArgumentParser(prog="miqanet review")
    parser.add_argument("--model", default="default")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--policy", type=Path)
    parser.add_argument("--baseline", type=Path)
    parser.add_argument("--config", type=Path)
    commands = parser.add_subparsers(dest="command", required=True)
    reading = commands.add_parser("read")
    reading.add_argument("folder", type=Path)
    reading.add_argument("first", type=int)
    reading.add_argument("paths", type=Path, nargs="+")
    scoring = commands.add_parser("score")
    scoring.add_argument("folder", type=Path)
    scoring.add_argument("results", type=Path)
    scoring.add_argument("numbers", type=int, nargs="+")
    listing = commands.add_parser("list")
    listing.add_argument("sort", choices=["newest", "worst"])
    listing.add_argument("page", type=int)
    fetching = commands.add_parser("fetch")
    fetching.add_argument("folder", type=Path)
    fetching.add_argument("results", type=Path)
    fetching.add_argument("first", type=int)
    fetching.add_argument("ids", type=int, nargs="+")
    options = parser.parse_args()
    try:
        if options.command == "read":
            read(options.folder, options.first, options.paths)
        elif options.command == "score":
            score(options.folder, options.results, options.numbers, options)
        elif options.command == "list":
            list_catalogue(options.config, options.sort, options.page)
        else:
            fetch(options.folder, options.results, options.first, options.ids, options)
    except typer.Exit as leaving:
        sys.exit(leaving.exit_code)


if __name__ == "__main__":
    main()
