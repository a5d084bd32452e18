"""Results put aside until the last has come, on disk as soon as they are many."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from miqanet_core.errors import InputError

_IN_MEMORY = 64 << 20  # bytes


class Kept:
    """A list that is only added to and read from the start, any number of times; a private temporary file holds it."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - it lives as long as the list
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, result: Any) -> None:
        """Put one more at the end. InputError when the disk is full."""
        try:
            self._file.seek(0, os.SEEK_END)
            pickle.dump(result, self._file, protocol=5)
        except OSError as error:
            raise InputError(
                Path(tempfile.gettempdir()), f"cannot hold the results ({error.strerror})", "free some space or set TMPDIR"
            ) from error
        self._count += 1

    def __iter__(self) -> Iterator[Any]:
        self._file.seek(0)
        for _ in range(self._count):
            yield pickle.load(self._file)
