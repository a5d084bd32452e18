"""The montage: the worst slices beside themselves with the quality map over them, as a Secondary Capture in colour."""

from __future__ import annotations

import io

import numpy as np
from highdicom.sc import SCImage
from highdicom.sr import CodedConcept
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from miqanet_core.dicom.identity import equipment
from miqanet_core.dicom.quality_report import NOTICE
from miqanet_core.dicom.sources import SourceImages
from miqanet_core.policy import format_score
from miqanet_core.quality import SeriesQuality, SliceQuality
from miqanet_core.report.figures import aspect_ratio, colour_stops, overlay_png, radiological, slice_png
from miqanet_core.series import MRSeries

SLICES = 6
_PAIRS_IN_A_ROW = 2
_SIDE, _GAP, _CAPTION, _HEAD, _FOOT = 320, 8, 44, 68, 56
_NARROWEST = 330  # of a pair: its caption must be read, however narrow the images are
_WHITE, _GREY, _BLACK = (255, 255, 255), (170, 170, 170), (0, 0, 0)


def montage(quality: SeriesQuality, series: MRSeries, images: SourceImages, uids: tuple[str, str]) -> SCImage:
    """The Secondary Capture. ValueError when the result has no quality map, or no slice has a score."""
    picture = montage_picture(quality, series)
    worst = {series.slice_sources[one.index] for one in worst_slices(quality)}
    shown = images.of_slices(sorted(worst))
    capture = SCImage.from_ref_dataset(
        ref_dataset=images.all[0],
        pixel_array=picture,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "P"),
        series_instance_uid=uids[0],
        sop_instance_uid=uids[1],
        series_number=images.series_number + 9002,
        instance_number=1,
        series_description="MIQA quality map",
        specific_character_set="ISO_IR 192",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **equipment(),
    )
    # A montage of slices lies nowhere in the patient; highdicom demands a direction.
    capture["PatientOrientation"].clear()
    capture.add_new("Laterality", "CS", "")
    capture.BurnedInAnnotation = "NO"
    capture.DerivationDescription = f"Worst slices with their quality map. {NOTICE}"
    capture.SourceImageSequence = [_source(image, series, worst) for image in shown.all]
    return capture


def worst_slices(quality: SeriesQuality) -> list[SliceQuality]:
    """Up to six slices with the lowest scores, in the order of the series."""
    scored = [one for one in quality.slices if one.score is not None]
    return sorted(sorted(scored, key=lambda one: (one.score, one.index))[:SLICES], key=lambda one: one.index)


def montage_picture(quality: SeriesQuality, series: MRSeries) -> np.ndarray:
    """The picture, uint8 (rows, columns, 3): each slice plain and with the map over it; no name is in it."""
    worst = worst_slices(quality)
    if quality.map is None or not worst:
        raise ValueError("there is no quality map to show")
    ratio = aspect_ratio(series.geometry, series.voxels.shape[1:])
    width, height = (_SIDE, max(16, round(_SIDE / ratio))) if ratio >= 1 else (max(16, round(_SIDE * ratio)), _SIDE)
    in_a_row = min(_PAIRS_IN_A_ROW, len(worst))
    rows = -(-len(worst) // in_a_row)
    cell = (max(2 * (width + _GAP) + _GAP, _NARROWEST), height + _CAPTION + _GAP)
    size = (max(in_a_row * cell[0] + _GAP, 660), _HEAD + rows * cell[1] + _FOOT)
    sheet = Image.new("RGB", size, _BLACK)
    draw = ImageDraw.Draw(sheet)
    head = f"MIQA {quality.verdict.value}, score {format_score(quality.score)}"
    draw.text((_GAP, _GAP), head, _WHITE, ImageFont.load_default(24))
    shown = f"The {len(worst)} worst of {len(quality.slices)} slices" if len(worst) < len(quality.slices) else "All slices"
    draw.text((_GAP, 40), shown, _GREY, ImageFont.load_default(14))
    turn = radiological(series.geometry)
    for number, one in enumerate(worst):
        left = _GAP + (number % in_a_row) * cell[0]
        top = _HEAD + (number // in_a_row) * cell[1]
        draw.text((left, top), f"Slice {one.index + 1}: {format_score(one.score)}", _WHITE, ImageFont.load_default(16))
        causes = ", ".join(name.replace("_", " ") for name in sorted(one.artifacts))
        draw.text((left, top + 22), _cut_short(causes, cell[0] - 2 * _GAP), _GREY, ImageFont.load_default(13))
        image = series.voxels[one.index]
        for place, png in enumerate((slice_png(image, turn), overlay_png(image, quality.map[one.index], turn))):
            tile = Image.open(io.BytesIO(png)).convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
            sheet.paste(tile, (left + place * (width + _GAP), top + _CAPTION))
    _legend(draw, size)
    return np.asarray(sheet)


def _cut_short(words: str, width: int) -> str:
    font, shown = ImageFont.load_default(13), words
    while shown and font.getlength(f"{shown}...") > width:
        shown = shown[:-1]
    return words if shown == words else f"{shown}..."


def _legend(draw: ImageDraw.ImageDraw, size: tuple[int, int]) -> None:
    top, font = size[1] - _FOOT + 4, ImageFont.load_default(14)
    draw.text((_GAP, top), "0 (worst)", _WHITE, font)
    stops = colour_stops(101)
    for index, colour in enumerate(stops):
        draw.rectangle((80 + 2 * index, top + 2, 81 + 2 * index, top + 14), fill=colour)
    draw.text((80 + 2 * len(stops) + _GAP, top), "100 (best)", _WHITE, font)
    draw.text((_GAP, top + 24), NOTICE, _GREY, ImageFont.load_default(13))


def _source(image: Dataset, series: MRSeries, shown: set) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    frames = sorted(frame for uid, frame in shown if uid == image.SOPInstanceUID and frame is not None)
    if frames:
        item.ReferencedFrameNumber = frames
    item.PurposeOfReferenceCodeSequence = [CodedConcept.from_code(codes.DCM.SourceImageForImageProcessingOperation)]
    return item
