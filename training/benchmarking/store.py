"""What was measured, kept between runs: one value for each image and method."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from benchmarking.cases import Case
from miqanet_core.errors import InputError


@dataclass(frozen=True)
class Measured:
    """``value``: NaN where the method is not defined. ``milliseconds``: of one core's time."""

    value: float
    milliseconds: float


class Store:
    """A file of measured values; each is on disk before the next is put, so that a kill loses none.

    A value is found again by the digests of the image's and the undistorted image's files, the method's name and its version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            # Whatever is written is committed at once.
            self._file = sqlite3.connect(path, isolation_level=None)
            self._file.execute("PRAGMA journal_mode=WAL")
            columns = "image TEXT, reference TEXT, method TEXT, version TEXT"
            self._file.execute(
                f"CREATE TABLE IF NOT EXISTS measured ({columns}, value REAL, milliseconds REAL,"
                " PRIMARY KEY (image, reference, method, version))"
            )
        except sqlite3.Error as error:
            raise self._fault(error) from None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def of(self, method: str, version: str) -> dict[tuple[str, str], Measured]:
        """All values of a method, by the digests of image and undistorted image."""
        query = "SELECT image, reference, value, milliseconds FROM measured WHERE method = ? AND version = ?"
        try:
            rows = self._file.execute(query, (method, version)).fetchall()
        except sqlite3.Error as error:
            raise self._fault(error) from None
        # SQLite keeps no NaN.
        return {(image, clean): Measured(np.nan if value is None else value, spent) for image, clean, value, spent in rows}

    def put(self, case: Case, method: str, version: str, measured: Measured, *, with_reference: bool) -> None:
        """Keep one value."""
        key = (*key_of(case, with_reference), method, version)
        try:
            self._file.execute(
                "INSERT OR REPLACE INTO measured VALUES (?, ?, ?, ?, ?, ?)", (*key, measured.value, measured.milliseconds)
            )
        except sqlite3.Error as error:
            raise self._fault(error) from None

    def _fault(self, error: sqlite3.Error) -> InputError:
        return InputError(
            self._path, f"cannot be used ({error})", "remove it, and all is measured again; or name another --out"
        )


def key_of(case: Case, with_reference: bool) -> tuple[str, str]:
    """By what a value is found: the digests of the files it was made from."""
    return case.content, case.reference_content if with_reference else ""
