"""The steps from a path to its series, and what can be done of them in other processes.

A step is a function of one argument and of a ``tick`` that is told how many files are done; it gives what it found and what
could not be read. :func:`read` runs the steps by a ``run`` that it is handed: :func:`in_turn`, or the workers of ``ahead``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from miqanet_core.errors import InputError
from miqanet_core.readers import dicom
from miqanet_core.readers.kinds import Kind, unreadable
from miqanet_core.readers.shard import WHOLE, Shard
from miqanet_core.series import MRSeries

Progress = Callable[[int, int], None]
Tick = Callable[[int], None]
Step = Callable[[Any, Tick], Iterable[Any]]

# Files whose headers are read in one step: enough for the sending of a step to weigh nothing.
FILES_A_STEP = 64
# Headers that are kept until their series is read, some 50 kB each; those of a larger archive are read twice.
MOST_KEPT = 2000
# Imported when there is such a file: most are DICOM, and the processes of the listener start sooner without SimpleITK.
_ONE_FILE = {Kind.NIFTI: "nifti", Kind.ITK: "itk", Kind.PICTURE: "picture"}


class Run(Protocol):
    """Runs a step for each argument and gives what comes of it in the arguments' order."""

    def __call__(self, step: Step, arguments: Iterable[Any], tick: Tick) -> Iterator[Any]: ...


@dataclass
class Listing:
    """The files below a path, before any was read.

    ``failures`` and ``skipped`` grow while :func:`read` runs; then ``empty`` says whether there was nothing to read, of any
    shard.
    """

    path: Path
    files: dict[Kind, list[Path]] = field(default_factory=lambda: {kind: [] for kind in Kind})
    failures: list[InputError] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    empty: bool = True

    def __len__(self) -> int:
        return sum(map(len, self.files.values()))


def in_turn(step: Step, arguments: Iterable[Any], tick: Tick) -> Iterator[Any]:
    """Here, one after another."""
    for argument in arguments:
        yield from step(argument, tick)


def read(listing: Listing, run: Run, progress: Progress | None, shard: Shard = WHOLE) -> Iterator[MRSeries | InputError]:
    """The series of ``shard`` and what could not be read, as they come: DICOM by series number, then other files by name.

    ``progress(done, total)`` is called as files are read.
    """
    tick = Ticker(len(listing), progress)

    def mine(name: str, files: int) -> bool:
        listing.empty = False
        if not shard.has(name):
            tick(files)
        return shard.has(name)

    headers = _headers_of(listing, run, tick)
    listing.empty = not listing.failures
    yield from (failure for failure in listing.failures if shard.has(failure.path.as_posix()))
    groups = (g for g in dicom.by_series(headers) if mine(g[0].series_uid or g[0].path.as_posix(), len(g)))
    yield from run(read_group, groups, tick)
    for kind in _ONE_FILE:
        files = ((kind, file) for file in listing.files[kind] if mine(file.as_posix(), 1))
        yield from run(read_file, files, tick)
    if listing.skipped and not listing.path.is_dir():
        listing.empty = False
        yield unreadable(listing.path, next(iter(listing.skipped)))


def _headers_of(listing: Listing, run: Run, tick: Tick) -> list[dicom.Header]:
    headers: list[dicom.Header] = []
    for found in run(read_headers, _chunks(listing.files[Kind.DICOM]), tick):
        listing.failures.extend(found.failures)
        listing.skipped.update(found.skipped)
        kept = MOST_KEPT - len(headers)
        headers.extend(header if n < kept else header.let_go() for n, header in enumerate(found.headers))
    return headers


def _chunks(paths: list[Path]) -> Iterator[list[Path]]:
    rest = iter(paths)
    while chunk := list(islice(rest, FILES_A_STEP)):
        yield chunk


@dataclass
class Headers:
    """What came of reading the headers of some files."""

    headers: list[dicom.Header] = field(default_factory=list)
    failures: list[InputError] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


def read_headers(paths: list[Path], tick: Tick) -> Iterator[Headers]:
    """Step: DICOM files -> one :class:`Headers`."""
    found = Headers()
    found.headers = dicom.read_headers(paths, found.failures, found.skipped, tick)
    yield found


def read_group(headers: list[dicom.Header], tick: Tick) -> Iterator[MRSeries | InputError]:
    """Step: the files of one DICOM series -> its stacks, or why it cannot be read."""
    done = 0

    def count(files: int) -> None:
        nonlocal done
        done += files
        tick(files)

    try:
        yield from dicom.read(headers, count)
    except InputError as error:
        yield error
    tick(len(headers) - done)


def read_file(kind_and_path: tuple[Kind, Path], tick: Tick) -> Iterator[MRSeries | InputError]:
    """Step: a file of another format -> its series, or why it cannot be read."""
    kind, path = kind_and_path
    try:
        yield from import_module(f"miqanet_core.readers.{_ONE_FILE[kind]}").read(path)
    except InputError as error:
        yield error
    tick(1)


class Ticker:
    """Counts files read and reports each to the caller's ``progress``."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.done, self.total, self.progress = 0, total, progress

    def __call__(self, files: int = 1) -> None:
        self.done += files
        if self.progress is not None and files:
            self.progress(self.done, self.total)
