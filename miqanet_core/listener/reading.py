"""What is read of received files; called in the sandbox only."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from miqanet_core.dicom.identity import is_own_output
from miqanet_core.errors import InputError
from miqanet_core.readers import dicom
from miqanet_core.readers.dicom_facts import description_of
from miqanet_core.readers.dicom_values import item, text, texts, value, whole
from miqanet_core.readers.faults import EXPORT_AGAIN, faults_of, hush_pydicom
from miqanet_core.series import MRSeries

_LOCALISER_TYPES = {"LOCALIZER", "LOCALISER", "SCOUT", "SURVEY"}
# Vendors that write an ordinary ImageType say it in the name.
_LOCALISER_NAME = re.compile(
    r"(?<![a-z])(locali[sz]er|scout|survey|smartbrain|3[ -]?pl(ane)?[ -]?loc\w*)(?![a-z])", re.IGNORECASE
)


@dataclass(frozen=True)
class ObjectFacts:
    """What the catalogue wants to know of an object. ``left_out``: why it is never scored, "" when it is."""

    series_uid: str
    study_uid: str
    patient_id: str
    patient_name: str
    accession_number: str
    study_date: str
    series_number: int | None
    description: str
    protocol_name: str
    body_part: str
    modality: str
    manufacturer: str
    model: str
    station: str
    scanner: str
    expected: int | None
    left_out: str


@hush_pydicom()
def facts_of_file(path: Path) -> ObjectFacts:
    """Read one header. InputError when it cannot be read or belongs to no series."""
    failures: list[InputError] = []
    skipped: Counter[str] = Counter()
    headers = dicom.read_headers([path], failures, skipped, lambda _: None)
    if failures:
        raise failures[0]
    if not headers:
        raise InputError(path, f"is no image ({next(iter(skipped))})", "send images only")
    header = headers[0].dataset
    with faults_of(path, dicom.NOT_UNDERSTOOD):
        facts = _facts(header)
    if not facts.series_uid:
        raise InputError(path, "has no Series Instance UID", EXPORT_AGAIN)
    return facts


def _facts(header: Dataset) -> ObjectFacts:
    manufacturer, model = text(header, "Manufacturer"), text(header, "ManufacturerModelName")
    station = text(header, "StationName")
    return ObjectFacts(
        series_uid=text(header, "SeriesInstanceUID")[:64],
        study_uid=text(header, "StudyInstanceUID")[:64],
        patient_id=text(header, "PatientID"),
        patient_name=text(header, "PatientName"),
        accession_number=text(header, "AccessionNumber"),
        study_date=text(header, "StudyDate")[:16],
        series_number=whole(header, "SeriesNumber") if value(header, "SeriesNumber") is not None else None,
        description=description_of(header),
        protocol_name=text(header, "ProtocolName"),
        body_part=text(header, "BodyPartExamined") or text(item(header, "AnatomicRegionSequence"), "CodeMeaning"),
        modality=text(header, "Modality")[:16],
        manufacturer=manufacturer,
        model=model,
        station=station,
        scanner=", ".join(filter(None, (f"{manufacturer} {model}".strip(), station)))[:160],
        expected=_expected(header),
        left_out=_left_out(header),
    )


def _expected(header: Dataset) -> int | None:
    """How many objects the series will have, where the header tells: an archive says it (PS3.4 C.3.4), or the scanner."""
    for keyword in ("NumberOfSeriesRelatedInstances", "ImagesInAcquisition"):
        count = whole(header, keyword)
        if count > 0:
            return count
    return None


def _left_out(header: Dataset) -> str:
    if is_own_output(header):
        return "MIQA made it"
    types = {part.upper() for part in texts(header, "ImageType")}
    if types & _LOCALISER_TYPES or _LOCALISER_NAME.search(description_of(header)):
        return "it is a localiser"
    first = texts(header, "ImageType")[:1]
    if first and first[0].upper() == "DERIVED":
        return "it is derived from other images"
    return ""


def series_of_files(paths: list[Path]) -> list[MRSeries]:
    """The stacks of one series, from all its files. InputError when one of them cannot be read."""
    failures: list[InputError] = []
    headers = dicom.read_headers(paths, failures, Counter(), lambda _: None)
    if failures:
        raise failures[0]
    groups = dicom.by_series(headers)
    if len(groups) != 1:
        raise InputError(paths[0], f"and the files with it are of {len(groups)} series", EXPORT_AGAIN)
    return dicom.read(groups[0], lambda _: None)
