"""Work done by several processes, each on one thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from types import TracebackType
from typing import Any, TypeVar

import torch

from miqanet_core.errors import ModelError

Result = TypeVar("Result")


class Workers:
    """As many ``processes`` at the most, started when there is work. They end with this process, however it ends."""

    def __init__(self, processes: int) -> None:
        # Numerical libraries read it when they are loaded, and torch is told below.
        os.environ["OMP_NUM_THREADS"] = "1"
        self._pool = ProcessPoolExecutor(processes, get_context("spawn"), _begin)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)

    def do(self, work: Callable[..., Result], jobs: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Result]]:
        """``work(*job)`` of every job, begun in their order: the job's number and its result, as each is done.

        The first error ends it. ModelError when a process was killed.
        """
        try:
            waiting = {self._pool.submit(work, *job): number for number, job in enumerate(jobs)}
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        except BrokenProcessPool:
            raise ModelError("a process was killed, maybe for want of memory; run it again with fewer --processes") from None


def _begin() -> None:
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent cannot tell its children, who would wait for work for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
