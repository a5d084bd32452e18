"""What is open, what is being read and scored, and what came of it; knows no widget."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from miqanet_core.desktop.reviewed import ReviewedSeries, State
from miqanet_core.desktop.worker import Worker
from miqanet_core.desktop.workspace import MAP, load_series
from miqanet_core.policy import Policy
from miqanet_core.quality import SeriesQuality


class Session(QObject):
    """The series of a window.

    ``command``: what starts a worker process, its options included (see ``miqanet_core/cli/review_worker.py``). ``policy``: the
    thresholds that it judges by. ``opened(number)``: a series has come. ``changed(number)``: one is scored further or done.
    ``reading(done, total)``: files, both 0 when all are read. ``busy(bool)``: scoring has begun or ended. ``failed(message)``.
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
        self._command = list(command)
        self._folder = Path(tempfile.mkdtemp(prefix="miqa-review-"))  # for the user's eyes only, as mkdtemp makes it
        self._to_read: list[Path] = []
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

    def score(self, numbers: Sequence[int]) -> None:
        """Score series, one after another; not while others are being scored."""
        if self.scoring or not numbers:
            return
        self._runs += 1
        for number in numbers:
            self.all[number].wait()
            self.changed.emit(number)
        results = self._folder / f"results-{self._runs}"  # a new one each time: the maps of an earlier run are in use
        self._scorer.start([*self._command, "score", str(self._folder), str(results), *map(str, numbers)])
        self.busy.emit(True)

    def cancel(self) -> None:
        """Stop scoring, and all that the process has started. Results that stand are kept."""
        self._scorer.cancel()

    def close(self) -> None:
        """End the processes and remove what they left."""
        self._to_read.clear()
        for worker in (self._reader, self._scorer):
            worker.blockSignals(True)
            worker.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read_on(self) -> None:
        if self._to_read and not self._reader.running:
            paths = [str(path) for path in self._to_read]
            self._to_read.clear()
            self._reader.start([*self._command, "read", str(self._folder), str(len(self.all)), *paths])
            self.reading.emit(0, 1)

    def _take_reading(self, event: dict[str, Any]) -> None:
        if event["event"] == "reading":
            self.reading.emit(event["done"], event["total"])
        elif event["event"] == "series":
            self.all.append(ReviewedSeries(event["series"], load_series(self._folder, event["series"])))
            self.opened.emit(event["series"])
        elif event["event"] == "error":
            self.failed.emit(event["message"])
        self._error_was_last = event["event"] == "error"

    def _end_reading(self, reason: str) -> None:
        if reason and not self._error_was_last:
            self.failed.emit(reason)
        self.reading.emit(0, 0)
        self._read_on()

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
            path = Path(event["result"])
            quality = SeriesQuality.from_json(path.read_text(encoding="utf-8"))
            has_map = (path.parent / MAP).is_file()
            one.finish(path, quality, np.load(path.parent / MAP, mmap_mode="r") if has_map else None)
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
