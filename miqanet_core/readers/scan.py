"""The front of the readers: walk a path, hand each file to its reader, gather series and faults."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from miqanet_core.errors import InputError
from miqanet_core.readers import dicom
from miqanet_core.readers.faults import LeftOut, no_permission
from miqanet_core.readers.kinds import FORMATS, Kind, recognise, unreadable
from miqanet_core.series import MRSeries

Progress = Callable[[int, int], None]
# Imported when there is such a file: most are DICOM, and the processes of the listener start sooner without SimpleITK.
_ONE_FILE = {Kind.NIFTI: "nifti", Kind.ITK: "itk", Kind.PICTURE: "picture"}


@dataclass(frozen=True)
class ReadResult:
    """What a path held.

    ``series``: what could be read: DICOM by series number, then the other files by name. ``failures``: what could not, one
    error for each file or series at fault. ``skipped``: how many files were left out as no images, by reason.
    """

    series: list[MRSeries] = field(default_factory=list)
    failures: list[InputError] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


def read_series(path: str | Path, progress: Progress | None = None) -> MRSeries:
    """Read the one series that ``path``, a file or a folder, holds.

    ``progress(done, total)`` is called as files are read. Raises InputError when anything there cannot be read, when there
    is no image, and when there are several series: it then lists them, and ``read_all_series`` reads them.
    """
    series = read_all_series(path, progress)
    if len(series) > 1:
        names = ", ".join(f"'{one.description}'" for one in series[:5]) + (", ..." if len(series) > 5 else "")
        raise InputError(path, f"holds {len(series)} series ({names})", "read them with read_all_series, or give one of them")
    return series[0]


def read_all_series(path: str | Path, progress: Progress | None = None) -> list[MRSeries]:
    """Read every series under ``path``, a file or a folder with all its subfolders.

    Raises the first InputError when anything there cannot be read, so that no series is missing unnoticed; ``scan`` returns
    the faults beside the series instead.
    """
    result = scan(path, progress)
    if result.failures:
        raise result.failures[0]
    if not result.series:
        left_out = ", ".join(f"{count} x {reason}" for reason, count in sorted(result.skipped.items()))
        problem = f"holds no image (left out: {left_out})" if left_out else "holds no file"
        raise InputError(path, problem, FORMATS)
    return result.series


def scan(path: str | Path, progress: Progress | None = None) -> ReadResult:
    """Read what can be read under ``path`` and say what could not.

    Raises InputError only when ``path`` itself is missing or may not be looked at.
    """
    result = ReadResult()
    result.series.extend(stream(path, result, progress))
    return result


def stream(path: str | Path, result: ReadResult, progress: Progress | None = None) -> Iterator[MRSeries]:
    """As :func:`scan`, one series after another, so that a large archive need not fit into memory.

    ``result`` takes the failures and what was skipped; they are complete when the last series has come.
    """
    path = Path(path)
    files = _sort_out(_walk(path, result) if _is_folder(path) else [path], result)
    tick = _Ticker(sum(map(len, files.values())), progress)
    headers = dicom.read_headers(files[Kind.DICOM], result.failures, result.skipped, tick)
    for group in dicom.by_series(headers):
        with _failures_into(result), tick.files(len(group)):
            yield from dicom.read(group, tick)
    for kind, reader in _ONE_FILE.items():
        for file in files[kind]:
            with _failures_into(result), tick.files(1):
                yield from import_module(f"miqanet_core.readers.{reader}").read(file)
    if not path.is_dir() and result.skipped:
        result.failures.append(unreadable(path, next(iter(result.skipped))))


class _Ticker:
    """Counts files read and reports each to the caller's ``progress``."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.done, self.total, self.progress = 0, total, progress

    def __call__(self, files: int = 1) -> None:
        self.done += files
        if self.progress is not None and files:
            self.progress(self.done, self.total)

    @contextmanager
    def files(self, count: int) -> Iterator[None]:
        """Count ``count`` files as done at the end, however far the reading of them came."""
        end = self.done + count
        try:
            yield
        finally:
            self(end - self.done)


@contextmanager
def _failures_into(result: ReadResult) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        result.failures.append(error)


def _is_folder(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(path, "does not exist", "check the path for a typing error") from error
    except PermissionError as error:
        raise no_permission(path) from error
    except (OSError, ValueError) as error:
        raise InputError(str(path).replace("\0", "?"), "is not a path of this system", "check the path") from error
    return path.is_dir()


def _walk(folder: Path, result: ReadResult) -> Iterator[Path]:
    """Every file below ``folder``, hidden ones apart, by name. Linked folders are not followed: they may lead in a circle."""

    def refused(error: OSError) -> None:
        result.failures.append(no_permission(Path(error.filename)))

    for root, folders, names in os.walk(folder, onerror=refused):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.startswith("."):
                result.skipped["hidden file"] += 1
            else:
                yield Path(root) / name


def _sort_out(paths: Iterable[Path], result: ReadResult) -> dict[Kind, list[Path]]:
    files: dict[Kind, list[Path]] = {kind: [] for kind in Kind}
    for path in paths:
        try:
            files[recognise(path)].append(path)
        except LeftOut as left_out:
            result.skipped[left_out.reason] += 1
        except InputError as error:
            result.failures.append(error)
    return files
