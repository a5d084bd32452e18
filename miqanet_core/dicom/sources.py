"""The images that a result speaks of, and what of their headers goes into it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.valuerep import DA, TM

from miqanet_core.errors import InputError
from miqanet_core.readers.dicom_values import text, value
from miqanet_core.readers.faults import faults_of, hush_pydicom
from miqanet_core.series import MRSeries, SliceSource

# What must be known of an image so that an object can point at it.
_KEYS = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
# The patient and the study (PS3.3 C.7.1.1, C.7.2.1): type 2 attributes, which may be empty but not absent.
_DUE = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime", "AccessionNumber",
    "ReferringPhysicianName",
)  # fmt: skip
_ALSO = ("IssuerOfPatientID", "StudyDescription", "PatientIdentityRemoved", "DeidentificationMethod")


@dataclass(frozen=True, eq=False)
class SourceImages:
    """``images``: one small header for each image of a series, by SOP Instance UID, in order, with its patient and study."""

    images: Mapping[str, Dataset]

    @classmethod
    @hush_pydicom()
    def of(cls, headers: Iterable[Dataset]) -> SourceImages:
        """From whole headers. ValueError when there is none, or when one lacks a UID by which it could be referred to."""
        images: dict[str, Dataset] = {}
        for header in headers:
            small = _small(header)
            images.setdefault(small.SOPInstanceUID, small)
        if not images:
            raise ValueError("there is no image to write about")
        return cls(images)

    @property
    def all(self) -> list[Dataset]:
        return list(self.images.values())

    @property
    def series_uid(self) -> str:
        return str(self.all[0].SeriesInstanceUID)

    @property
    def series_number(self) -> int:
        return int(self.all[0].get("SeriesNumber") or 0)

    def of_slices(self, sources: Sequence[SliceSource]) -> SourceImages:
        """Only the images that the slices were read from. ValueError when the header of one is missing."""
        wanted = dict.fromkeys(source.instance_uid for source in sources)
        if missing := [uid for uid in wanted if uid not in self.images]:
            raise ValueError(f"the headers of {len(missing)} of {len(wanted)} images are missing, the first is {missing[0]}")
        return SourceImages({uid: self.images[uid] for uid in wanted})


@contextmanager
def hush() -> Iterator[None]:
    """Keep the libraries' warnings about odd headers and the form of the patient's name off stderr: neither is ours to mend."""
    with hush_pydicom():
        warnings.filterwarnings("ignore", module="highdicom")
        yield


@hush_pydicom()
def headers_of(series: MRSeries) -> list[Dataset]:
    """The headers of the files that a series was read from. InputError when it is not DICOM or a file cannot be read."""
    if not series.slice_sources or not all(source.instance_uid for source in series.slice_sources):
        where = series.sources[0] if series.sources else Path(series.description)
        raise InputError(where, "is not DICOM with UIDs, so no DICOM result can refer to it", "score the DICOM files instead")
    headers: list[Dataset] = []
    for path in dict.fromkeys(series.sources):
        with faults_of(path, "is not DICOM that can be read"):
            headers.append(pydicom.dcmread(path, stop_before_pixels=True, force=True))
    return headers


def _small(header: Dataset) -> Dataset:
    small = Dataset()
    for keyword in _KEYS:
        if not text(header, keyword):
            raise ValueError(f"an image has no {keyword}, so nothing can refer to it")
        setattr(small, keyword, text(header, keyword))
    for keyword in (*_DUE, *_ALSO):
        if (found := _sound(header, keyword)) is not None or keyword in _DUE:
            setattr(small, keyword, "" if found is None else found)
    if text(header, "SeriesNumber").isdigit():
        small.SeriesNumber = int(text(header, "SeriesNumber"))
    # Its presence tells highdicom that the object is an image.
    small.Rows, small.Columns = 1, 1
    return small


def _sound(header: Dataset, keyword: str) -> Any:
    """A value that may be copied, None when it is absent or breaks the rules of its type: our objects shall not."""
    found = value(header, keyword)
    if found is None:
        return None
    representation = header[Tag(keyword)].VR
    try:
        if representation == "DA":
            return DA(text(header, keyword)) or None
        if representation == "TM":
            return TM(text(header, keyword)) or None
    except ValueError:
        return None
    if keyword in ("PatientSex", "PatientIdentityRemoved"):
        allowed = ("M", "F", "O") if keyword == "PatientSex" else ("YES", "NO")
        return text(header, keyword) if text(header, keyword) in allowed else None
    if representation == "PN":
        return found
    return text(header, keyword)[: 16 if representation == "SH" else 64]
