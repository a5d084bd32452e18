"""How far scoring has come: a bar for people, JSON lines for a front end, or nothing."""

from __future__ import annotations

import json
import sys
from typing import Any, Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from miqanet_core.cli.guard import UsageError
from miqanet_core.cli.kinds import ErrorKind, ProgressKind
from miqanet_core.cli.terminal import harmless, stderr
from miqanet_core.errors import Cancelled, InputError, ModelError, OutOfMemory


class Reporter(Protocol):
    """Told what happens; ``series`` counts from 0 over the series of one run."""

    def __enter__(self) -> Reporter: ...
    def __exit__(self, *exception: Any) -> None: ...
    def reading(self, done: int, total: int) -> None: ...
    def start(self, series: int, slices: int, name: str, source: str = "") -> None: ...
    def slice(self, index: int, score: float | None) -> None: ...
    def done(self, series: int, result: str) -> None: ...
    def error(self, message: str, source: str = "", kind: ErrorKind = ErrorKind.INPUT) -> None: ...
    def pause(self) -> None: ...


def make_reporter(kind: ProgressKind) -> Reporter:
    """The reporter for a choice; ``auto`` is a bar when stderr is a terminal."""
    if kind is ProgressKind.JSONL:
        return JsonLines()
    if kind is ProgressKind.BAR or (kind is ProgressKind.AUTO and sys.stderr.isatty()):
        return Bar()
    return Silent()


class Silent:
    """Says nothing."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *exception: Any) -> None:
        """Nothing to close."""

    def reading(self, done: int, total: int) -> None:
        """Said nowhere."""

    def start(self, series: int, slices: int, name: str, source: str = "") -> None:
        """Said nowhere."""

    def slice(self, index: int, score: float | None) -> None:
        """Said nowhere."""

    def done(self, series: int, result: str) -> None:
        """Said nowhere."""

    def error(self, message: str, source: str = "", kind: ErrorKind = ErrorKind.INPUT) -> None:
        """Said nowhere: the complaint on stderr is enough."""

    def pause(self) -> None:
        """Leave the terminal to a result until the next ``start``."""


class Bar(Silent):
    """A bar for the series and one for the reading ahead, on stderr; gone when done, so that they do not stand in the result's
    way. ``reading`` may be called from another thread."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=stderr(), transient=True)
        self._series: TaskID | None = None
        self._files: TaskID | None = None

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._progress.stop()

    def reading(self, done: int, total: int) -> None:
        if self._files is None:
            self._files = self._progress.add_task("Reading files", total=total)
        self._progress.update(self._files, completed=done)
        if done >= total:
            self._progress.remove_task(self._files)
            self._files = None

    def start(self, series: int, slices: int, name: str, source: str = "") -> None:
        self.done(series, "")
        self._progress.start()
        self._series = self._progress.add_task(harmless(name)[:40] or f"Series {series + 1}", total=slices)

    def slice(self, index: int, score: float | None) -> None:
        if self._series is not None:
            self._progress.advance(self._series)

    def done(self, series: int, result: str) -> None:
        if self._series is not None:
            self._progress.remove_task(self._series)
            self._series = None

    def pause(self) -> None:
        self._progress.stop()


class JsonLines(Silent):
    """One JSON object a line on stdout: ``start``, ``slice``, ``done``, ``error``.

    ``source`` is the file of the series' first slice, or the input at fault. ``error`` is about one input; the process's exit
    status says whether it was the end. Its ``kind`` tells a front end which cure to offer: see :class:`ErrorKind`.
    """

    def __init__(self) -> None:
        self._series = 0

    def __exit__(self, *exception: Any) -> None:
        error = exception[1]
        if isinstance(error, Exception) and not isinstance(error, (OSError, Cancelled)):  # OSError: stdout itself may be gone
            self.error(*_explain(error))

    def start(self, series: int, slices: int, name: str, source: str = "") -> None:
        self._series = series
        self._emit(event="start", slices=slices, series=series, source=source)

    def slice(self, index: int, score: float | None) -> None:
        self._emit(event="slice", index=index, score=score, series=self._series)

    def done(self, series: int, result: str) -> None:
        self._emit(event="done", result=result, series=series)

    def error(self, message: str, source: str = "", kind: ErrorKind = ErrorKind.INPUT) -> None:
        self._emit(event="error", message=harmless(message), source=source, kind=kind.value)

    @staticmethod
    def _emit(**event: object) -> None:
        print(json.dumps(event), flush=True)  # ASCII, so that no encoding can spoil it


def _explain(error: Exception) -> tuple[str, str, ErrorKind]:
    """Message, source and kind of what ends a run."""
    if isinstance(error, InputError):
        return str(error), str(error.path), ErrorKind.INPUT
    if isinstance(error, (MemoryError, OutOfMemory)):
        return str(error) or "out of memory; score fewer or smaller series at a time", "", ErrorKind.MEMORY
    if isinstance(error, (ModelError, UsageError)):
        return str(error), "", ErrorKind.SETTING
    return f"internal error ({type(error).__name__}: {error})", "", ErrorKind.INTERNAL
