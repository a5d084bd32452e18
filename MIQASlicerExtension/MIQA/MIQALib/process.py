"""The scoring process as the panel sees it: started, listened to, ended with all its children."""

import json
import os
import signal
import subprocess
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

WORKER = Path(__file__).resolve().parent / "worker.py"
_REMEMBERED_LINES = 30


@dataclass(frozen=True)
class Ending:
    """How a process ended. ``status``: its exit status, None when it was killed, crashed or never started.

    ``log``: the last lines of what it said beside its events.
    """

    status: int | None
    cancelled: bool = False
    started: bool = True
    log: str = ""


class WorkerProcess:
    """One run of ``worker.py`` under Qt's QProcess; nothing here waits, except :meth:`end_now`.

    ``qt``: the module or namespace that holds QProcess and QProcessEnvironment; PythonQt's ``qt``, or PySide6's QtCore.
    ``program``: the Python to run, ``environment``: its variables, None for those of this process.
    ``on_event`` is called with each event of the worker, a dict; ``on_end`` once, with an :class:`Ending`.
    """

    def __init__(self, qt, program, environment, on_event, on_end):
        self._qt = qt
        self._program, self._on_event, self._on_end = str(program), on_event, on_end
        self._rest = b""
        self._log = deque(maxlen=_REMEMBERED_LINES)
        self._pid = None
        self._started = self._cancelled = self._ended = False
        self._process = qt.QProcess()
        if environment is not None:
            variables = qt.QProcessEnvironment()
            for name, value in environment.items():
                variables.insert(name, value)
            self._process.setProcessEnvironment(variables)
        # stateChanged rather than finished: it has one signature in Qt 5 and 6, and tells of a failed start too.
        self._process.stateChanged.connect(self._state_changed)
        self._process.readyReadStandardOutput.connect(self._read_events)
        self._process.readyReadStandardError.connect(self._read_log)

    @property
    def running(self) -> bool:
        """Between start and end."""
        return not self._ended and self._process.state() != self._qt.QProcess.NotRunning

    def start(self, arguments) -> None:
        """Run ``miqanet ARGUMENTS``."""
        self._process.start(self._program, [str(WORKER), *map(str, arguments)])

    def cancel(self) -> None:
        """End the process and its children; ``on_end`` follows from the event loop."""
        self._cancelled = True
        # The worker ends itself when this closes, also when its process id is not known yet.
        self._process.closeWriteChannel()
        self._kill_tree()
        self._process.kill()

    def end_now(self) -> None:
        """As :meth:`cancel`, but wait until it is gone (some milliseconds) and tell nobody: the scene or Slicer is closing."""
        self._on_event = self._on_end = lambda _: None
        if self.running:
            self.cancel()
            self._process.waitForFinished(1000)

    def _kill_tree(self) -> None:
        if self._pid is None or not self.running:
            return
        if os.name == "posix":
            with suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)
        else:
            subprocess.run(["taskkill", "/T", "/F", "/PID", str(self._pid)], check=False, capture_output=True)

    def _state_changed(self, state) -> None:
        if state == self._qt.QProcess.Running:
            self._started = True
        if state != self._qt.QProcess.NotRunning or self._ended:
            return
        self._ended = True
        self._read_events()
        self._read_log()
        normal = self._started and self._process.exitStatus() == self._qt.QProcess.NormalExit
        status = self._process.exitCode() if normal and not self._cancelled else None
        self._on_end(Ending(status, self._cancelled, self._started, "\n".join(self._log)))

    def _read_events(self) -> None:
        *lines, self._rest = (self._rest + _bytes(self._process.readAllStandardOutput())).split(b"\n")
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                event = None
            if not isinstance(event, dict):
                self._log.append(line.decode("utf-8", "replace"))  # a library that prints to stdout
            elif event.get("event") == "process":
                self._pid = event["pid"]
            elif not self._cancelled:
                self._on_event(event)

    def _read_log(self) -> None:
        text = _bytes(self._process.readAllStandardError()).decode("utf-8", "replace")
        self._log.extend(line for line in text.splitlines() if line.strip())


def _bytes(array) -> bytes:
    """A QByteArray's content; PythonQt hands over text in some versions."""
    data = array.data()
    return data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")
