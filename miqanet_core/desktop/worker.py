"""A process that reads or scores for the window and tells what it does, one JSON object a line.

Not a thread: what it computes must never stop the window's event loop, a codec that crashes must not take the window along, and
cancelling must free the memory at once.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from typing import Any

import psutil
from qtpy.QtCore import QObject, QProcess, Signal

_KEPT_LINES = 20  # of stderr, to say why a process died


class Worker(QObject):
    """One process at a time. ``event``: an object that it printed. ``ended``: why it failed, "" when it did not."""

    event = Signal(dict)
    ended = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process: QProcess | None = None
        self._cancelled = False
        self._complaints: deque[str] = deque(maxlen=_KEPT_LINES)

    @property
    def running(self) -> bool:
        """Whether a process is at work."""
        return self._process is not None

    def start(self, command: Sequence[str]) -> None:
        """Start ``command``; RuntimeError while another one runs."""
        if self.running:
            raise RuntimeError("a worker process is running")
        self._cancelled = False
        self._complaints.clear()
        process = QProcess(self)
        process.readyReadStandardOutput.connect(self._read_events)
        process.readyReadStandardError.connect(self._read_complaints)
        process.finished.connect(self._finish)
        process.errorOccurred.connect(self._fail_to_start)
        self._process = process
        process.start(command[0], list(command[1:]))

    def cancel(self) -> None:
        """Kill the process and all that it started; ``ended`` follows with ""."""
        if self._process is None:
            return
        self._cancelled = True
        pid = int(self._process.processId())
        if pid:
            _kill_tree(pid)
        else:  # not started yet
            self._process.kill()

    def stop(self) -> None:
        """As :meth:`cancel`, and come back only when it is gone: for closing."""
        if self._process is not None:
            self.cancel()
            self._process.waitForFinished(5000)

    def _read_events(self) -> None:
        process = self._process
        while process is not None and process.canReadLine():
            event = _parse(bytes(process.readLine().data()))
            if event is not None and not self._cancelled:
                self.event.emit(event)

    def _read_complaints(self) -> None:
        if self._process is not None:
            text = bytes(self._process.readAllStandardError().data()).decode("utf-8", "replace")
            self._complaints.extend(line for line in text.splitlines() if line.strip())

    def _finish(self, status: int, how: QProcess.ExitStatus) -> None:
        self._read_complaints()
        self._read_events()
        self._end("" if self._cancelled else self._reason(status, how))

    def _fail_to_start(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart and self._process is not None:
            self._end(f"The process could not be started: {self._process.errorString()}")

    def _end(self, message: str) -> None:
        if self._process is not None:
            self._process.deleteLater()
            self._process = None
            self.ended.emit(message)

    def _reason(self, status: int, how: QProcess.ExitStatus) -> str:
        last = self._complaints[-1] if self._complaints else "it said nothing"
        if how == QProcess.ExitStatus.CrashExit:
            return f"The process was ended from outside or crashed; often the memory was full. Its last words: {last}"
        return f"{last.removeprefix('miqanet: ')}" if status else ""


def _parse(line: bytes) -> dict[str, Any] | None:
    """The object on a line; None for what a library prints in between."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def _kill_tree(pid: int) -> None:
    try:
        process = psutil.Process(pid)
        family = [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
