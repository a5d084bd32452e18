"""What is open, what is being read and scored, and what came of it; knows no widget."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, Signal

from miqanet_core.desktop.private_folder import PrivateFolder
from miqanet_core.desktop.reviewed import ReviewedSeries, State
from miqanet_core.desktop.worker import Worker
from miqanet_core.desktop.workspace import load_series
from miqanet_core.policy import Policy


class Session(QObject):
    """The series of a window.

    ``command``: what starts a worker process, its options included (see ``miqanet_core/cli/review_worker.py``). ``policy``: the
    thresholds that it judges by. ``opened(number)``: a series has come. ``changed(number)``: one is scored further or done.
    ``reading(done, total)``: files, both 0 when all are read. ``busy(bool)``: scoring has begun or ended. ``failed(message)``.
    ``first_fetched``: the number of the first series of those that were fetched last, -1 before.
    """

    opened = Signal(int)
    changed = Signal(int)
    reading = Signal(int, int)
    busy = Signal(bool)
    failed = Signal(str)

    def __init__(self, command: Sequence[str], policy: Policy, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.policy = policy
        self.all: list[ReviewedSeries] = []
        self.first_fetched = -1
        self._command = list(command)
        self._private = PrivateFolder()
        self._folder = self._private.path
        self._to_read: list[Path] = []
        self._to_fetch: list[int] = []
        self._to_score: list[int] = []  # fetched without a result
        self._runs = 0
        self._current: int | None = None
        self._error_was_last = False  # what a scoring process that fails has said before it left
        self._reader, self._scorer = Worker(self), Worker(self)
        self._reader.event.connect(self._take_reading)
        self._reader.ended.connect(self._end_reading)
        self._scorer.event.connect(self._take_scoring)
        self._scorer.ended.connect(self._end_scoring)

    @property
    def scoring(self) -> bool:
        """Whether a series is being scored."""
        return self._scorer.running

    def open(self, paths: Sequence[Path]) -> None:
        """Read files and folders; their series are added to those that are open."""
        self._to_read += paths
        self._read_on()

    def fetch(self, ids: Sequence[int]) -> None:
        """Open series of the listener's catalogue; what has no result there that holds is scored then."""
        self._to_fetch += ids
        self._read_on()

    def score(self, numbers: Sequence[int]) -> None:
        """Score series, one after another; not while others are being scored."""
        if self.scoring or not numbers:
            return
        for number in numbers:
            self.all[number].wait()
            self.changed.emit(number)
        self._scorer.start([*self._command, "score", str(self._folder), self._new_results(), *map(str, numbers)])
        self.busy.emit(True)

    def cancel(self) -> None:
        """Stop scoring, and all that the process has started. Results that stand are kept."""
        self._scorer.cancel()

    def close(self) -> None:
        """End the processes and remove what they left."""
        self._to_read.clear()
        self._to_fetch.clear()
        for worker in (self._reader, self._scorer):
            worker.blockSignals(True)
            worker.stop()
        self._private.remove()

    def _new_results(self) -> str:
        """A folder for results, another one each time: the maps of an earlier run are in use."""
        self._runs += 1
        return str(self._folder / f"results-{self._runs}")

    def _read_on(self) -> None:
        if self._reader.running or not (self._to_read or self._to_fetch):
            return
        folder, first = str(self._folder), str(len(self.all))
        if self._to_read:
            self._reader.start([*self._command, "read", folder, first, *map(str, self._to_read)])
            self._to_read.clear()
        else:
            self.first_fetched = len(self.all)
            self._reader.start([*self._command, "fetch", folder, self._new_results(), first, *map(str, self._to_fetch)])
            self._to_fetch.clear()
        self.reading.emit(0, 1)

    def _take_reading(self, event: dict[str, Any]) -> None:
        if event["event"] == "reading":
            self.reading.emit(event["done"], event["total"])
        elif event["event"] == "series":
            one = ReviewedSeries(event["series"], load_series(self._folder, event["series"]), event.get("origin", ""))
            self.all.append(one)
            if event.get("result"):
                one.finish(Path(event["result"]))
            elif one.origin:
                self._to_score.append(one.number)
            self.opened.emit(one.number)
        elif event["event"] == "error":
            self.failed.emit(event["message"])
        self._error_was_last = event["event"] == "error"

    def _end_reading(self, reason: str) -> None:
        if reason and not self._error_was_last:
            self.failed.emit(reason)
        self.reading.emit(0, 0)
        self._read_on()
        if not self._reader.running:
            self.score(self._to_score)
            self._to_score = []

    def _take_scoring(self, event: dict[str, Any]) -> None:
        self._error_was_last = event["event"] == "error"
        if self._error_was_last:
            self._fail(event["message"])
            return
        number = self._current = event["series"]
        one = self.all[number]
        if event["event"] == "start":
            one.state = State.SCORING
        elif event["event"] == "slice":
            one.add(event["index"], event["score"], self.policy)
        elif event["event"] == "done":
            one.finish(Path(event["result"]))
            one.origin = ""
            self._current = None
        self.changed.emit(number)

    def _fail(self, message: str) -> None:
        """Something went wrong with the series in work, or before there was one."""
        if self._current is not None:
            self.all[self._current].give_up(message)
            self.changed.emit(self._current)
            self._current = None
        self.failed.emit(message)

    def _end_scoring(self, reason: str) -> None:
        if reason and not self._error_was_last:
            self._fail(reason)
        self._current = None
        for one in self.all:
            if one.state in (State.WAITING, State.SCORING):
                one.give_up()
                self.changed.emit(one.number)
        self.busy.emit(False)
