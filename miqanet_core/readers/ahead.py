"""Series read in processes beside this one, ahead of their use.

Parsing DICOM is Python's work and holds its lock: threads would take turns with one another and with the scoring. The processes
read while the caller imports torch and while the device computes; each is at most one series ahead, so memory depends on the
largest series and not on how many there are.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, Queue
from types import TracebackType
from typing import Any

from miqanet_core.errors import InputError
from miqanet_core.readers.kinds import nothing_in
from miqanet_core.readers.scan import look
from miqanet_core.readers.shard import WHOLE, Shard
from miqanet_core.readers.steps import FILES_A_STEP, Listing, Progress, Step, Tick, read
from miqanet_core.series import MRSeries

MOST_PROCESSES = 4
_END = None
_KILLED = -9


class ReadAhead:
    """Iterate for the series below ``paths`` and, between them, an InputError for each thing that cannot be read.

    A context manager: reading starts when it is entered, and its processes end when it is left. ``progress(done, total)`` is
    called from a thread. ``shard``: which of the series. ``anything`` tells, before the first is read, whether any file looks
    like an image.
    """

    def __init__(self, paths: Sequence[Path], progress: Progress | None = None, shard: Shard = WHOLE) -> None:
        self._progress, self._shard = progress, shard
        self._listings = [_look(path) for path in paths]
        files = sum(len(listing) for listing in self._listings if isinstance(listing, Listing))
        self.anything = files > 0
        self._processes = max(1, min(MOST_PROCESSES, _cores() // 2, -(-files // FILES_A_STEP))) if files else 0
        self._workers: list[_Worker] = []
        self._ready: Queue[Any] = Queue(maxsize=1)
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> ReadAhead:
        self._workers = [_Worker() for _ in range(self._processes)]
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self._leaving.set()
        for worker in self._workers:
            worker.end()
        while self._thread.is_alive():
            with suppress(Empty):
                self._ready.get(timeout=0.02)

    def __iter__(self) -> Iterator[MRSeries | InputError]:
        while (found := self._ready.get()) is not _END:
            if isinstance(found, BaseException) and not isinstance(found, InputError):
                raise found
            yield found

    def _read(self) -> None:
        try:
            for listing in self._listings:
                for found in self._of(listing):
                    if self._leaving.is_set():
                        return
                    self._ready.put(found)
            self._ready.put(_END)
        except BaseException as error:  # the caller's thread is where it can be told
            self._ready.put(error)

    def _of(self, listing: Listing | InputError) -> Iterator[MRSeries | InputError]:
        if isinstance(listing, InputError):
            yield listing
            return
        yield from read(listing, self._run, self._progress, self._shard)
        if listing.empty:
            yield nothing_in(listing.path, listing.skipped)

    def _run(self, step: Step, arguments: Iterable[Any], tick: Tick) -> Iterator[Any]:
        rest = iter(arguments)
        busy: deque[_Worker] = deque()

        def give(worker: _Worker) -> None:
            for argument in islice(rest, 1):
                worker.begin(step, argument)
                busy.append(worker)

        for worker in self._workers:
            give(worker)
        while busy:
            worker = busy.popleft()
            yield from worker.results(tick)
            give(worker)


def _look(path: Path) -> Listing | InputError:
    try:
        return look(path)
    except InputError as error:
        return error


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Worker:
    """A process that runs one step at a time and waits until each result is taken."""

    def __init__(self) -> None:
        context = get_context("spawn")  # a fork would share torch's locks and threads
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _without_ctrl_c():
            self._process.start()
        theirs.close()

    def begin(self, step: Step, argument: Any) -> None:
        with self._alive():
            self._connection.send((step, argument))

    def results(self, tick: Tick) -> Iterator[Any]:
        while (found := self._receive()) is not _END:
            if isinstance(found, int):
                tick(found)
            elif isinstance(found, Exception) and not isinstance(found, InputError):
                raise found
            else:
                yield found

    def _receive(self) -> Any:
        with self._alive():
            return _receive(self._connection)

    @contextmanager
    def _alive(self) -> Iterator[None]:
        """MemoryError when the process was killed, as Linux does when memory runs out; RuntimeError when it ended otherwise."""
        try:
            yield
        except (EOFError, ConnectionError) as error:
            self._process.join(1)
            if self._process.exitcode == _KILLED:
                raise MemoryError from error
            raise RuntimeError(f"a process that reads files has ended with status {self._process.exitcode}") from error

    def end(self) -> None:
        self._process.terminate()
        self._process.join()


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """What starts here never sees Ctrl-C, not even while Python starts: the process that asked gets it, and ends the others."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection) -> None:
    """The process: until the other end is closed, by the end of its process at the latest."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it could not be kept away from the start
    with suppress(EOFError, ConnectionError):
        while True:
            step, argument = connection.recv()
            try:
                for found in step(argument, lambda files: _send(connection, files)):
                    _send(connection, found)
                _send(connection, _END)
            except (EOFError, ConnectionError):
                raise
            except Exception as error:
                _send(connection, RuntimeError(f"{type(error).__name__}: {error}"))


def _send(connection: Connection, found: Any) -> None:
    """Voxels go as they lie in memory, without being copied into the pickle."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(found, protocol=5, buffer_callback=buffers.append)
    connection.send((head, len(buffers)))
    for buffer in buffers:
        connection.send_bytes(buffer.raw())


def _receive(connection: Connection) -> Any:
    head, count = connection.recv()
    return pickle.loads(head, buffers=[bytearray(connection.recv_bytes()) for _ in range(count)])
