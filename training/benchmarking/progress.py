"""How far the benchmark is: a bar where somebody watches, else a line a minute."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

EVERY_SECONDS = 60


class Bar:
    """Call it with what is done, the method that was last at work, and how many of how many are done."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[method]}"),
        )
        # What is asked for differs in cost: the time left rests on all that was done, not on the last half minute.
        self._progress = Progress(*columns, console=Console(stderr=True), speed_estimate_period=24 * 3600)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def __call__(self, what: str, method: str, done: int, total: int) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total, completed=done, method=method)
        self._progress.update(self._tasks[what], completed=done, method=method)


class Lines:
    """The same for a log file: the first and the last of each stretch, and one a minute between them."""

    def __init__(self) -> None:
        self._began: dict[str, tuple[float, int]] = {}
        self._said = 0.0

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing to close."""

    def __call__(self, what: str, method: str, done: int, total: int) -> None:
        now = time.monotonic()
        first = what not in self._began
        start, before = self._began.setdefault(what, (now, done))
        if not first and done < total and now - self._said < EVERY_SECONDS:
            return
        self._said = now
        # The first results come late, and would foretell too long a time.
        known = done - before >= total / 100
        left = f", about {(now - start) / (done - before) * (total - done) / 60:.0f} min left" if known else ""
        print(
            f"{what}: {done} of {total}{f', {method}' if method else ''}{left if done < total else ''}",
            file=sys.stderr,
            flush=True,
        )


def progress() -> Bar | Lines:
    """What fits the standard error stream."""
    return Bar() if sys.stderr.isatty() else Lines()
