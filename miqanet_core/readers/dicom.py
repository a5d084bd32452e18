"""DICOM files into MRSeries: headers first, then series by series stacks and their pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID

from miqanet_core.errors import InputError
from miqanet_core.readers.dicom_facts import description_of, facts_of, identity_of, slice_source_of
from miqanet_core.readers.dicom_frames import Frame, frames_of
from miqanet_core.readers.dicom_pixels import notes_of, read_pixels
from miqanet_core.readers.dicom_values import text, value, whole
from miqanet_core.readers.faults import EXPORT_AGAIN, LeftOut, check_finite, faults_of, hush_pydicom
from miqanet_core.readers.kinds import HEADER_ALONE
from miqanet_core.readers.stacks import SAME_PLACE, Stack, geometry_of, stacks_of
from miqanet_core.series import MRSeries

NOT_UNDERSTOOD = "has a header that cannot be understood"
# Objects with rows and columns that are no images to score (PS3.4 B.5): segmentations, parametric maps, dose, raw data.
_NO_PICTURES = (
    "1.2.840.10008.5.1.4.1.1.66",
    "1.2.840.10008.5.1.4.1.1.30",
    "1.2.840.10008.5.1.4.1.1.481",
    "1.2.840.10008.5.1.4.1.1.4.2",
)


@dataclass(frozen=True)
class Header:
    """One image file whose header was read: its series, and where in the file the header ended.

    ``kept`` is the header itself, or None where it was let go: those of a whole archive do not fit into memory. A Header
    travels between processes without it.
    """

    path: Path
    series_uid: str
    series_number: int
    pixels_at: int
    kept: Dataset | None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "kept": None}

    def let_go(self) -> Header:
        """The same without what takes memory."""
        return replace(self, kept=None)

    @property
    def dataset(self) -> Dataset:
        """The header; read once more where it was let go."""
        if self.kept is not None:
            return self.kept
        try:
            return _parse(self.path)[0]
        except LeftOut as left_out:
            raise InputError(self.path, f"has changed while it was read ({left_out.reason})", "score it again") from None


class _File(NamedTuple):
    """The frames of one file."""

    frames: list[Frame]
    pixels_at: int

    def pixels(self) -> np.ndarray:
        return read_pixels(self.frames, self.pixels_at)


@hush_pydicom()
def read_headers(
    paths: Iterable[Path], failures: list[InputError], skipped: Counter[str], tick: Callable[[int], None]
) -> list[Header]:
    """The headers of all images among ``paths``; the others are put into ``failures`` or counted in ``skipped``."""
    headers = []
    for path in paths:
        try:
            headers.append(_read_header(path))
            continue
        except LeftOut as left_out:
            skipped[left_out.reason] += 1
        except InputError as error:
            failures.append(error)
        tick(1)
    return headers


def _read_header(path: Path) -> Header:
    dataset, pixels_at = _parse(path)
    return Header(path, text(dataset, "SeriesInstanceUID"), whole(dataset, "SeriesNumber"), pixels_at, dataset)


def _parse(path: Path) -> tuple[Dataset, int]:
    with faults_of(path, "is not DICOM that can be read"), path.open("rb") as file:
        dataset = pydicom.dcmread(file, stop_before_pixels=True, force=True)
        if len(dataset) == 0 and not value(dataset.file_meta, "MediaStorageSOPClassUID"):
            raise InputError(path, "is cut short: it ends before the image is described", EXPORT_AGAIN)
        _leave_out(dataset)
        if value(dataset, "Rows") is None or value(dataset, "Columns") is None:
            raise LeftOut(HEADER_ALONE)
        return dataset, file.tell()


def _leave_out(dataset: Dataset) -> None:
    uid = text(dataset, "SOPClassUID") or text(dataset.file_meta, "MediaStorageSOPClassUID")
    name = UID(uid).name.removesuffix(" Storage")
    if any(uid == root or uid.startswith(root + ".") for root in _NO_PICTURES):
        raise LeftOut(f"DICOM {name}")
    if value(dataset, "Rows") is None and uid and "Image" not in name:
        raise LeftOut("DICOM object of a private class" if name == uid else f"DICOM {name}")


def by_series(headers: Iterable[Header]) -> list[list[Header]]:
    """Headers that share a Series Instance UID, in the order of series numbers; a file without the UID is its own series."""
    groups: dict[tuple[str, str], list[Header]] = {}
    for header in headers:
        groups.setdefault((header.series_uid, "" if header.series_uid else str(header.path)), []).append(header)
    return [groups[key] for key in sorted(groups, key=lambda key: (groups[key][0].series_number, key))]


@hush_pydicom()
def read(headers: list[Header], tick: Callable[[int], None]) -> list[MRSeries]:
    """One MRSeries for each stack of one series. ``tick`` is called with 1 for every file whose pixels were read.

    Raises InputError when any file of the series cannot be read: a series scored without some of its slices would be another.
    """
    files: dict[Path, _File] = {}
    for header in headers:
        with faults_of(header.path, NOT_UNDERSTOOD):
            files[header.path] = _File(frames_of(header.path, header.dataset), header.pixels_at)
    with faults_of(headers[0].path, NOT_UNDERSTOOD):
        return _read_stacks(files, tick)


def _read_stacks(files: dict[Path, _File], tick: Callable[[int], None]) -> list[MRSeries]:
    repeated = _repeated_files(files)
    for path in repeated:
        del files[path]
    stacks = stacks_of([frame for file in files.values() for frame in file.frames])
    volumes = [_empty_volume(stack) for stack in stacks]
    slots = {
        (frame.source, frame.index): volume[index]
        for stack, volume in zip(stacks, volumes, strict=True)
        for index, frame in enumerate(stack.frames)
    }
    for path, file in files.items():
        pixels = file.pixels()
        check_finite(path, pixels)
        for frame in file.frames:
            slots[path, frame.index][:] = pixels[frame.index]
        tick(1)
    return [_series(stack, voxels, len(repeated)) for stack, voxels in zip(stacks, volumes, strict=True)]


def _empty_volume(stack: Stack) -> np.ndarray:
    return np.empty((len(stack.frames), stack.frames[0].rows, stack.frames[0].columns), dtype=np.float32)


def _repeated_files(files: dict[Path, _File]) -> list[Path]:
    """Files that hold the same instance at the same place with the same pixels as an earlier one: copies."""
    same_uid: dict[str, list[Path]] = {}
    for path, file in files.items():
        if uid := text(file.frames[0].header, "SOPInstanceUID"):
            same_uid.setdefault(uid, []).append(path)
    return [
        path
        for paths in same_uid.values()
        for number, path in enumerate(paths)
        if any(_same_image(files[earlier], files[path]) for earlier in paths[:number])
    ]


def _same_image(ours: _File, theirs: _File) -> bool:
    if len(ours.frames) != len(theirs.frames) or not all(map(_same_place, ours.frames, theirs.frames)):
        return False
    return np.array_equal(ours.pixels(), theirs.pixels())


def _same_place(ours: Frame, theirs: Frame) -> bool:
    if ours.position is None or theirs.position is None:
        return ours.position is theirs.position
    return bool(np.allclose(ours.position, theirs.position, atol=SAME_PLACE))


def _series(stack: Stack, voxels: np.ndarray, copies: int) -> MRSeries:
    first = stack.frames[0]
    geometry, notes = geometry_of(stack)
    notes += notes_of(first.header)
    if copies:
        notes.append(f"{copies} duplicate {'files were' if copies > 1 else 'file was'} left out")
    return MRSeries(
        voxels=voxels,
        geometry=geometry,
        description=", ".join((description_of(first.header), *stack.labels)),
        modality=text(first.header, "Modality"),
        facts=facts_of(first),
        identity=identity_of(stack.frames),
        sources=tuple(frame.source for frame in stack.frames),
        notes=tuple(notes),
        slice_sources=tuple(slice_source_of(frame) for frame in stack.frames),
    )
