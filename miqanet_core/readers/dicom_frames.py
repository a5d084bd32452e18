"""Classic, Enhanced and mosaic DICOM images laid out as one list of frames that all look alike."""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from miqanet_core.errors import InputError
from miqanet_core.readers.dicom_values import item, number, numbers, private, text, texts, value, whole
from miqanet_core.readers.faults import EXPORT_AGAIN, check_claim, check_size

# How far direction cosines may be from unit length and right angles before they are not believed.
_COSINE_TOLERANCE = 0.05


@dataclass(frozen=True, eq=False)
class Frame:
    """One slice as it lies in a file, before its pixels are read.

    ``index`` counts within the file from 0. ``position`` is the centre of the first pixel in LPS mm (PS3.3 C.7.6.2.1.1),
    ``orientation`` the two unit vectors along a row and down a column, ``pixel_spacing`` (between rows, between columns) in
    mm. ``thickness`` is the spacing between slices where known, else their thickness. ``rescale`` is (slope, intercept) where
    each frame has its own. ``tiles`` is the number of images in a mosaic. ``tags`` holds what tells two
    frames at one place apart.
    """

    source: Path
    index: int
    header: Dataset
    rows: int
    columns: int
    position: np.ndarray | None
    orientation: np.ndarray | None
    pixel_spacing: tuple[float, float] | None
    thickness: float | None
    rescale: tuple[float, float] | None = None
    tiles: int = 0
    tags: Mapping[str, Hashable] = field(default_factory=dict)

    @property
    def has_place(self) -> bool:
        return self.position is not None and self.orientation is not None

    @property
    def normal(self) -> np.ndarray:
        """The unit vector at right angles to the slice; only for a frame that has a place."""
        assert self.orientation is not None
        return np.cross(self.orientation[:3], self.orientation[3:])

    @property
    def order(self) -> tuple[int, str, int]:
        """An order of frames that no file name and no order of reading can change."""
        return whole(self.header, "InstanceNumber"), text(self.header, "SOPInstanceUID"), self.index


def frames_of(path: Path, header: Dataset) -> list[Frame]:
    """The frames of one image file. Raises InputError when the header contradicts itself."""
    rows, columns = whole(header, "Rows"), whole(header, "Columns")
    count = max(1, whole(header, "NumberOfFrames", 1))
    check_size(path, rows, columns)
    _check_claim(path, header, count * rows * columns)
    if value(header, "PerFrameFunctionalGroupsSequence"):
        return _enhanced(path, header, count)
    single = _classic(path, header)
    if "MOSAIC" in texts(header, "ImageType") and count == 1:
        return _mosaic(path, header, single)
    if count == 1:
        return [single]
    # One position for all frames of a classic multi-frame image: they are time points, and their place tells nothing.
    return [replace(single, index=index, position=None) for index in range(count)]


def _check_claim(path: Path, header: Dataset, pixels: int) -> None:
    """Refuse a number of frames beyond belief before as many frames are made; the pixels are held against it later."""
    claimed = pixels * whole(header, "SamplesPerPixel", 1) * whole(header, "BitsAllocated", 8) // 8
    check_claim(path, claimed, path.stat().st_size, compressed=True)


def _classic(path: Path, header: Dataset) -> Frame:
    """PS3.3 C.7.6.2 (image plane) and C.8.3.1 (MR image)."""
    return Frame(
        source=path,
        index=0,
        header=header,
        rows=whole(header, "Rows"),
        columns=whole(header, "Columns"),
        position=_vector(numbers(header, "ImagePositionPatient", 3)),
        orientation=_orientation(numbers(header, "ImageOrientationPatient", 6)),
        pixel_spacing=_spacing(header),
        thickness=_thickness(header),
        tags=_classic_tags(header),
    )


def _classic_tags(header: Dataset) -> dict[str, Hashable]:
    tags = {
        "component": _component(header, "ImageType"),
        "echo": number(header, "EchoNumbers"),
        "echo_time": number(header, "EchoTime"),
        "b_value": _b_value(header),
        "gradient": _gradient(header),
        "inversion_time": number(header, "InversionTime"),
        "flip_angle": number(header, "FlipAngle"),
        "temporal_position": number(header, "TemporalPositionIdentifier"),
        "trigger_time": number(header, "TriggerTime"),
        "acquisition": number(header, "AcquisitionNumber"),
        "acquisition_time": _moment(header, "Acquisition"),
        "content_time": _moment(header, "Content"),
    }
    return {name: tag for name, tag in tags.items() if tag is not None}


def _component(header: Dataset, keyword: str) -> tuple[str, ...] | None:
    """What of the signal the image shows: magnitude or phase, water or fat; ImageType or FrameType from its third value on."""
    parts = texts(header, keyword)[2:] + texts(header, "ComplexImageComponent")
    ge = private(header, 0x0043, "GEMS_PARM_01", 0x2F)
    if isinstance(ge, int) and 0 <= ge <= 3:  # GE writes the same ImageType for all four
        parts += (("MAGNITUDE", "PHASE", "REAL", "IMAGINARY")[ge],)
    return parts or None


def _b_value(header: Dataset) -> float | None:
    """s/mm2: the standard element, else Siemens', GE's or Philips' own."""
    found = number(header, "DiffusionBValue")
    own = (
        private(header, 0x0019, "SIEMENS MR HEADER", 0x0C),
        private(header, 0x0043, "GEMS_PARM_01", 0x39),
        private(header, 0x2001, "Philips Imaging DD 001", 0x03),
    )
    for candidate in own:
        if found is None and candidate is not None:
            found = _first_number(candidate)
    return None if found is None else found % 1e9  # GE adds 10^9 to mark b-values it has corrected


def _first_number(candidate: Any) -> float | None:
    """The first number of a private element, which comes as bytes when its type was lost on the way."""
    try:
        if isinstance(candidate, bytes):
            candidate = candidate.decode("ascii").split("\\")
        found = float(candidate if isinstance(candidate, str | int | float) else candidate[0])
    except (TypeError, ValueError, IndexError):
        return None
    return found if math.isfinite(found) else None


def _gradient(header: Dataset) -> tuple[float, ...] | None:
    """The direction of the diffusion gradient."""
    own = private(header, 0x0019, "SIEMENS MR HEADER", 0x0E)
    standard = numbers(header, "DiffusionGradientOrientation", 3)
    return standard or (tuple(map(float, own)) if isinstance(own, MultiValue | list) and len(own) == 3 else None)


def _moment(header: Dataset, event: str) -> str | None:
    """Date and time of "Acquisition" or "Content" as text that sorts."""
    return text(header, f"{event}DateTime") or (text(header, f"{event}Date") + text(header, f"{event}Time")) or None


def _enhanced(path: Path, header: Dataset, count: int) -> list[Frame]:
    """PS3.3 C.7.6.16: what holds for all frames is in the shared group, what changes in each frame's own."""
    own_groups = header.PerFrameFunctionalGroupsSequence
    if len(own_groups) != count:
        raise InputError(path, f"says it has {count} frames but describes {len(own_groups)}", EXPORT_AGAIN)
    shared = item(header, "SharedFunctionalGroupsSequence")
    return [_enhanced_frame(path, header, _Groups(header, shared, own), index) for index, own in enumerate(own_groups)]


@dataclass(frozen=True)
class _Groups:
    """One frame's functional groups: its own before the shared ones before the file's header."""

    header: Dataset
    shared: Dataset
    own: Dataset

    def __call__(self, sequence: str) -> Dataset:
        for place in (self.own, self.shared):
            if found := item(place, sequence):
                return found
        return Dataset()


def _enhanced_frame(path: Path, header: Dataset, group: _Groups, index: int) -> Frame:
    measures, values = group("PixelMeasuresSequence"), group("PixelValueTransformationSequence")
    slope = number(values, "RescaleSlope")
    return Frame(
        source=path,
        index=index,
        header=header,
        rows=whole(header, "Rows"),
        columns=whole(header, "Columns"),
        position=_vector(numbers(group("PlanePositionSequence"), "ImagePositionPatient", 3)),
        orientation=_orientation(numbers(group("PlaneOrientationSequence"), "ImageOrientationPatient", 6)),
        pixel_spacing=_spacing(measures),
        thickness=_thickness(measures) or _thickness(header),
        rescale=None if slope is None else (slope, number(values, "RescaleIntercept") or 0.0),
        tags=_enhanced_tags(group),
    )


def _enhanced_tags(group: _Groups) -> dict[str, Hashable]:
    content, diffusion, modifier = group("FrameContentSequence"), group("MRDiffusionSequence"), group("MRModifierSequence")
    tags = {
        "stack": text(content, "StackID") or None,
        "component": _component(group("MRImageFrameTypeSequence"), "FrameType"),
        "echo_time": number(group("MREchoSequence"), "EffectiveEchoTime"),
        "b_value": number(diffusion, "DiffusionBValue"),
        "gradient": numbers(item(diffusion, "DiffusionGradientDirectionSequence"), "DiffusionGradientOrientation", 3),
        "inversion_time": number(modifier, "InversionTimes") or number(modifier, "InversionTime"),
        "flip_angle": number(group("MRTimingAndRelatedParametersSequence"), "FlipAngle"),
        "temporal_position": number(content, "TemporalPositionIndex"),
        "trigger_time": number(group("CardiacSynchronizationSequence"), "NominalCardiacTriggerDelayTime"),
        "acquisition": number(content, "FrameAcquisitionNumber"),
        "acquisition_time": text(content, "FrameAcquisitionDateTime") or None,
        "dimension": numbers(content, "DimensionIndexValues"),
    }
    return {name: tag for name, tag in tags.items() if tag is not None}


def _mosaic(path: Path, header: Dataset, sheet: Frame) -> list[Frame]:
    """The tiles of a Siemens mosaic: one volume laid out as a square sheet of slices.

    The position in the header is that of a single slice as large as the sheet would be around the same centre, so it is moved
    in by half of what sheet and tile differ; slices then follow along the normal that Siemens' private header gives.
    """
    count, normal = _mosaic_layout(path, header)
    side = math.ceil(math.sqrt(count))
    if sheet.rows % side or sheet.columns % side:
        problem = f"is a mosaic of {count} images whose sheet ({sheet.columns} x {sheet.rows}) does not divide by {side}"
        raise InputError(path, problem, EXPORT_AGAIN)
    rows, columns = sheet.rows // side, sheet.columns // side
    check_size(path, rows, columns)
    tile = replace(sheet, rows=rows, columns=columns, tiles=count)
    if not sheet.has_place or sheet.pixel_spacing is None:
        return [replace(tile, index=index, position=None) for index in range(count)]
    assert sheet.position is not None and sheet.orientation is not None
    along_row, down_column = sheet.orientation[:3], sheet.orientation[3:]
    first = (
        sheet.position
        + along_row * sheet.pixel_spacing[1] * (sheet.columns - columns) / 2
        + down_column * sheet.pixel_spacing[0] * (sheet.rows - rows) / 2
    )
    # Only the sign is taken from the private header: the slices of a mosaic are always parallel to the sheet.
    ahead = sheet.normal if normal is None or float(normal @ sheet.normal) >= 0 else -sheet.normal
    step = ahead * (sheet.thickness or 1.0)
    return [replace(tile, index=index, position=first + index * step) for index in range(count)]


def _mosaic_layout(path: Path, header: Dataset) -> tuple[int, np.ndarray | None]:
    """How many images the sheet holds and the direction in which they follow each other."""
    count = private(header, 0x0019, "SIEMENS MR HEADER", 0x0A)
    normal = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nibabel.nicom calls itself experimental at import; the CSA parser is long in use
        from nibabel.nicom import csareader
    try:
        csa = csareader.get_csa_header(header)
        if csa is not None:
            count = csareader.get_n_mosaic(csa) or count
            normal = csareader.get_slice_normal(csa)
    except Exception:  # a damaged private header: nibabel raises anything on it, and (0019,100A) may still serve
        normal = None
    if not isinstance(count, int) or not 1 <= count <= whole(header, "Rows"):
        problem = "is a Siemens mosaic, but how many images it holds was removed from its private header"
        raise InputError(path, problem, "anonymise it again and keep (0019,100A) or (0029,1010)")
    return count, None if normal is None else np.asarray(normal, dtype=float)


def _vector(found: tuple[float, ...] | None) -> np.ndarray | None:
    return None if found is None else np.array(found)


def _orientation(found: tuple[float, ...] | None) -> np.ndarray | None:
    """Two unit vectors at right angles, or nothing when what is written is too far from that."""
    if found is None:
        return None
    cosines = np.array(found).reshape(2, 3)
    lengths = np.linalg.norm(cosines, axis=1)
    if np.any(np.abs(lengths - 1) > _COSINE_TOLERANCE) or abs(cosines[0] @ cosines[1]) > _COSINE_TOLERANCE:
        return None
    return (cosines / lengths[:, np.newaxis]).ravel()


def _spacing(header: Dataset) -> tuple[float, float] | None:
    found = numbers(header, "PixelSpacing", 2)
    return (found[0], found[1]) if found and min(found) > 0 else None


def _thickness(header: Dataset) -> float | None:
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        found = number(header, keyword)
        if found:
            return abs(found)  # a negative spacing between slices is Philips' way to write their order
    return None
