"""The front of the readers: walk a path, hand each file to its reader, gather series and faults."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from miqanet_core.errors import InputError
from miqanet_core.readers.faults import LeftOut, no_permission
from miqanet_core.readers.kinds import nothing_in, recognise
from miqanet_core.readers.steps import Listing, Progress, in_turn, read
from miqanet_core.series import MRSeries


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
        raise nothing_in(path, result.skipped)
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
    listing = look(path)
    for found in read(listing, in_turn, progress):
        if isinstance(found, InputError):
            result.failures.append(found)
        else:
            yield found
    result.skipped.update(listing.skipped)


def look(path: str | Path) -> Listing:
    """Which files there are below a path and which reader each is for. InputError when the path may not be looked at."""
    listing = Listing(Path(path))
    for file in _walk(listing) if _is_folder(listing.path) else [listing.path]:
        try:
            listing.files[recognise(file)].append(file)
        except LeftOut as left_out:
            listing.skipped[left_out.reason] += 1
        except InputError as error:
            listing.failures.append(error)
    return listing


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


def _walk(listing: Listing) -> Iterator[Path]:
    """Every file below the path, hidden ones apart, by name. Linked folders are not followed: they may lead in a circle."""

    def refused(error: OSError) -> None:
        listing.failures.append(no_permission(Path(error.filename)))

    for root, folders, names in os.walk(listing.path, onerror=refused):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.startswith("."):
                listing.skipped["hidden file"] += 1
            else:
                yield Path(root) / name
