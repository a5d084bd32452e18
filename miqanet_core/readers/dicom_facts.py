"""Acquisition facts and identity out of a DICOM header."""

from __future__ import annotations

from pydicom.dataset import Dataset

from miqanet_core.readers.dicom_frames import Frame
from miqanet_core.readers.dicom_values import item, number, text, value
from miqanet_core.series import Identity, SliceSource

_TEXTS = {
    "manufacturer": "Manufacturer",
    "model": "ManufacturerModelName",
    "software": "SoftwareVersions",
    "body_part": "BodyPartExamined",
    "protocol": "ProtocolName",
    "series_description": "SeriesDescription",
    "sequence_name": "SequenceName",
    "pulse_sequence": "PulseSequenceName",
    "echo_pulse_sequence": "EchoPulseSequence",
    "scanning_sequence": "ScanningSequence",
    "sequence_variant": "SequenceVariant",
    "scan_options": "ScanOptions",
    "acquisition_type": "MRAcquisitionType",
    "contrast": "AcquisitionContrast",
    "contrast_agent": "ContrastBolusAgent",
    "spectral_suppression": "SpectrallySelectedSuppression",
    "coil": "ReceiveCoilName",
    "image_type": "ImageType",
}
_NUMBERS = {
    "field_strength_t": "MagneticFieldStrength",
    "repetition_time_ms": "RepetitionTime",
    "echo_time_ms": "EchoTime",
    "inversion_time_ms": "InversionTime",
    "flip_angle_deg": "FlipAngle",
    "echo_train_length": "EchoTrainLength",
    "averages": "NumberOfAverages",
    "bandwidth_hz_per_pixel": "PixelBandwidth",
    "slice_thickness_mm": "SliceThickness",
    "slice_spacing_mm": "SpacingBetweenSlices",
}
# What Enhanced images say in coded sequences.
_CODES = {"body_part": "AnatomicRegionSequence", "contrast_agent": "ContrastBolusAgentSequence"}
_FRAME_TAGS = {"echo_time_ms": "echo_time", "inversion_time_ms": "inversion_time", "b_value": "b_value"}
_GROUPS = (
    "MREchoSequence",
    "MRTimingAndRelatedParametersSequence",
    "MRModifierSequence",
    "MRImagingModifierSequence",
    "MRAveragesSequence",
    "MRReceiveCoilSequence",
    "MRImageFrameTypeSequence",
    "PixelMeasuresSequence",
    "FrameAnatomySequence",
)


def facts_of(frame: Frame) -> dict[str, str | float]:
    """What the series was acquired with; names no person. Units are in the names; absent facts are left out."""
    places = [frame.header, *_groups(frame)]
    facts: dict[str, str | float] = {}
    for name, keyword in _TEXTS.items():
        if found := next((words for place in places if (words := text(place, keyword))), ""):
            facts[name] = found
    for name, keyword in _NUMBERS.items():
        amount = next((size for place in places if (size := number(place, keyword)) is not None), None)
        if amount is not None:
            facts[name] = amount
    for name, tag in _FRAME_TAGS.items():
        own = frame.tags.get(tag)
        if isinstance(own, float):
            facts[name] = own
    for name, keyword in _CODES.items():
        meaning = next((words for place in places if (words := text(item(place, keyword), "CodeMeaning"))), "")
        if meaning and name not in facts:
            facts[name] = meaning
    facts["matrix"] = f"{frame.columns} x {frame.rows}"
    return facts


def _groups(frame: Frame) -> list[Dataset]:
    """The functional groups of an Enhanced image that hold acquisition facts: the frame's own, then the shared ones."""
    own = value(frame.header, "PerFrameFunctionalGroupsSequence")
    places = [own[frame.index]] if own else []
    places.append(item(frame.header, "SharedFunctionalGroupsSequence"))
    return [item(place, name) for place in places for name in _GROUPS]


def identity_of(frames: list[Frame]) -> Identity:
    """Who and what a stack of frames is."""
    header = frames[0].header
    uids = dict.fromkeys(text(frame.header, "SOPInstanceUID") for frame in frames)
    return Identity(
        patient_id=text(header, "PatientID"),
        patient_name=text(header, "PatientName"),
        study_uid=text(header, "StudyInstanceUID"),
        series_uid=text(header, "SeriesInstanceUID"),
        instance_uids=tuple(uid for uid in uids if uid),
    )


def slice_source_of(frame: Frame) -> SliceSource:
    """The image that a frame lies in, with the frame's number where the image has frames."""
    multi_frame = value(frame.header, "NumberOfFrames") is not None and not frame.tiles
    return SliceSource(text(frame.header, "SOPInstanceUID"), frame.index + 1 if multi_frame else None)


def description_of(header: Dataset) -> str:
    """What people call the series."""
    for keyword in ("SeriesDescription", "ProtocolName", "SequenceName"):
        if found := text(header, keyword):
            return found
    found = text(header, "SeriesNumber")
    return f"series {found}" if found else "series without a name"
