"""Reading files that nobody has checked: in a process of their own, with limits on memory and time, that may write no file.

A file that makes a decoder crash, hang or swell ends that process and nothing else; the next call starts a new one.
"""

from __future__ import annotations

import multiprocessing
import resource
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from miqanet_core.errors import InputError

Result = TypeVar("Result")
_START_SECONDS = 120.0  # imports, on a machine that is busy


class ReadingFailed(Exception):
    """The reading process died or took too long; the reason is for people and names no patient."""


class Sandbox:
    """One reading process, started when it is first needed. For one thread.

    ``memory``: bytes of address space it may have. ``seconds``: how long a call may take.
    """

    def __init__(self, memory: int, seconds: float) -> None:
        self._memory = memory
        self._seconds = seconds
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def start(self) -> None:
        """Be ready before the first call."""
        if self._process is not None and self._process.is_alive():
            return
        self.close()
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._memory), name="reader", daemon=True)
        self._process.start()
        theirs.close()
        if self._receive(_START_SECONDS) is not None:
            raise ReadingFailed("the reading process did not start")

    def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """What ``function``, a module's own, returns there. Raises its InputError, or ReadingFailed."""
        self.start()
        assert self._pipe is not None
        try:
            self._pipe.send((function, arguments))
        except OSError as error:
            self.close()
            raise ReadingFailed("the reading process had died") from error
        answer = self._receive(self._seconds)
        if isinstance(answer, InputError):
            raise answer
        if isinstance(answer, _Failed):
            raise ReadingFailed(answer.reason)
        return answer

    def _receive(self, seconds: float) -> Any:
        assert self._pipe is not None and self._process is not None
        try:
            if self._pipe.poll(seconds):
                return self._pipe.recv()
        except (EOFError, OSError):
            self._process.join(5)
            status = self._process.exitcode
            self.close()
            raise ReadingFailed(f"a file made the reading process die (status {status})") from None
        self.close()
        raise ReadingFailed(f"reading took longer than {seconds:g} s")

    def close(self) -> None:
        """End the process."""
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


class _Failed:
    """What is sent back when a function raised something that it should not."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def _serve(pipe: Connection, memory: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from miqanet_core.listener import reading  # noqa: F401 - before the limits, so that a call is only the call

    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    pipe.send(None)
    while True:
        try:
            function, arguments = pipe.recv()
        except (EOFError, OSError):
            return
        answer: Any
        try:
            answer = function(*arguments)
        except InputError as error:
            answer = error
        except MemoryError:
            answer = _Failed("reading needs more memory than read_memory_gib")
        except BaseException as error:  # a decoder's panic is not even an Exception; what it says may quote the file
            answer = _Failed(f"reading failed with {type(error).__name__}")
        pipe.send(answer)
