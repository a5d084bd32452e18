"""The errors that MIQA raises for what a user can put right."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class InputError(ValueError):
    """An input that cannot be scored: names the file, what is wrong with it and the cure, in one line.

    ``path`` is the file or folder at fault, ``problem`` what was found, ``cure`` what the user can do about it.
    """

    def __init__(self, path: str | Path, problem: str, cure: str) -> None:
        self.path = Path(path)
        self.problem = problem
        self.cure = cure
        super().__init__(f"{path}: {problem}; {cure}")

    def __reduce__(self) -> tuple[type[InputError], tuple[Path, str, str], dict[str, Any]]:
        # Of the cause only this much crosses to another process: that it was the memory tells a front end which cure to offer.
        state = {"__cause__": MemoryError()} if isinstance(self.__cause__, MemoryError) else {}
        return type(self), (self.path, self.problem, self.cure), state


class ModelError(ValueError):
    """A model, a weights file or a device that cannot be used; one line that says why and what to do."""


class OutOfMemory(ModelError):
    """The device's memory does not hold a single tile; one line that says what to do."""


class Cancelled(Exception):
    """Scoring was stopped by its caller before it was finished."""
