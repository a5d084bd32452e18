"""The pixels of one DICOM file, in the units its rescale gives."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut, apply_modality_lut, get_decoder, pixel_array
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from miqanet_core.errors import InputError
from miqanet_core.readers.dicom_frames import Frame
from miqanet_core.readers.dicom_values import numbers, text, value, whole
from miqanet_core.readers.faults import EXPORT_AGAIN, check_claim, faults_of, to_grey
from miqanet_core.series import COLOUR_NOTE

INVERTED_NOTE = "MONOCHROME1 was inverted, so that high values are bright"
UNCOMPRESSED = "export it again, uncompressed"
_PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_IMAGE_PIXEL = 0x0028  # the group that describes the pixels
_PIXEL_DATA, _UNDEFINED = b"\xe0\x7f\x10\x00", 0xFFFFFFFF


def read_pixels(frames: list[Frame], pixels_at: int) -> np.ndarray:
    """All frames of the one file that ``frames`` come from: float32, (frames, rows, columns).

    ``pixels_at``: where in the file its header ended, in bytes.
    Rescale slope and intercept or the modality LUT are applied (PS3.3 C.11.1), MONOCHROME1 is inverted, colour turned to
    grey. Window centre and width are for displays and are never used. Raises InputError.
    """
    path = frames[0].source
    with faults_of(path, "its pixels cannot be understood"):
        dataset = _image_of(path, frames[0].header, pixels_at)
        _set_transfer_syntax(dataset)
        _check(path, dataset)
        pixels = _rescale(path, _grey(dataset, _decode(path, dataset)), dataset, frames)
    return pixels if not frames[0].tiles else _cut_mosaic(pixels[0], frames[0])


def notes_of(header: Dataset) -> list[str]:
    """What is done to the pixels that the user should know."""
    photometric = text(header, "PhotometricInterpretation")
    if photometric == "MONOCHROME1":
        return [INVERTED_NOTE]
    return [COLOUR_NOTE] if whole(header, "SamplesPerPixel", 1) > 1 or photometric == "PALETTE COLOR" else []


def _image_of(path: Path, header: Dataset, pixels_at: int) -> Dataset:
    """What describes the pixels, and the pixels.

    The header is not read again where the pixels follow it as they are: parsing it takes longer than all the rest.
    """
    pixels = _uncompressed(path, header, pixels_at)
    if pixels is None:
        return pydicom.dcmread(path, force=True)
    image = header.group_dataset(_IMAGE_PIXEL)
    image.file_meta = header.file_meta
    image.set_original_encoding(*header.original_encoding)
    image.add(pixels)
    return image


def _uncompressed(path: Path, header: Dataset, pixels_at: int) -> DataElement | None:
    """Pixel Data that lie in the file as they are, little endian and of a known length (PS3.5 7.1, A.1, A.2); else None."""
    syntax = header.file_meta.get("TransferSyntaxUID")
    if syntax not in (ImplicitVRLittleEndian, ExplicitVRLittleEndian):
        return None
    with path.open("rb") as file:
        file.seek(pixels_at)
        start = file.read(8 if syntax == ImplicitVRLittleEndian else 12)
        vr = start[4:-4] or b"OW\0\0"
        length = int.from_bytes(start[-4:], "little")
        if start[:4] != _PIXEL_DATA or vr not in (b"OW\0\0", b"OB\0\0") or length == _UNDEFINED:
            return None
        return DataElement("PixelData", vr[:2].decode(), file.read(length))


def _set_transfer_syntax(dataset: Dataset) -> None:
    """A file without meta header is uncompressed in the encoding that it was found to have."""
    if "TransferSyntaxUID" in dataset.file_meta:
        return
    implicit, little = dataset.original_encoding
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    dataset.file_meta.TransferSyntaxUID = syntax


def _check(path: Path, dataset: Dataset) -> None:
    """Hold what the header claims against what there is, before anything is decoded."""
    found = [keyword for keyword in _PIXEL_KEYWORDS if keyword in dataset]
    if not found or not dataset[found[0]].value:
        raise InputError(path, "has a header but no pixels (Pixel Data is missing)", EXPORT_AGAIN)
    bits = whole(dataset, "BitsAllocated")
    if bits not in (1, 8, 16, 32, 64):
        raise InputError(path, f"has no valid Bits Allocated ({bits or 'none'})", EXPORT_AGAIN)
    syntax = dataset.file_meta.TransferSyntaxUID
    shape = (max(1, whole(dataset, "NumberOfFrames", 1)), dataset.Rows, dataset.Columns, whole(dataset, "SamplesPerPixel", 1))
    claimed, stored = math.ceil(math.prod(shape) * bits / 8), len(dataset[found[0]].value)
    if syntax.is_encapsulated:
        check_claim(path, claimed, stored, compressed=True)
        _check_decoder(path, syntax)
        return
    if text(dataset, "PhotometricInterpretation") == "YBR_FULL_422":
        claimed = claimed // 3 * 2
    check_claim(path, claimed, stored, compressed=False)
    if stored >= 2 * claimed:  # a little padding at the end is common, a whole second image is a contradiction
        raise InputError(path, f"holds {stored} bytes of pixels where its header describes {claimed}", EXPORT_AGAIN)


def _check_decoder(path: Path, syntax: UID) -> None:
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise InputError(path, f"is compressed as {syntax.name}, which MIQA cannot read", UNCOMPRESSED) from error
    if not decoder.is_available:
        raise InputError(path, f"is compressed as {syntax.name} and no decoder is installed", "pip install pylibjpeg[all]")


def _decode(path: Path, dataset: Dataset) -> np.ndarray:
    """Stored values. What the plugins say of damaged data is about their own inside, so it stays in the error's cause."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated:
        return pixel_array(dataset)
    try:
        return pixel_array(dataset)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # each decoder has its own errors; the panic of one in Rust is not even an Exception
        problem = f"its pixels ({syntax.name}) cannot be decoded: they are damaged, or of a variant that no decoder here knows"
        raise InputError(path, problem, UNCOMPRESSED) from error


def _grey(dataset: Dataset, stored: np.ndarray) -> np.ndarray:
    """(frames, rows, columns) of stored values, colour turned to grey."""
    if text(dataset, "PhotometricInterpretation") == "PALETTE COLOR":
        stored = to_grey(apply_color_lut(stored, dataset))
    elif whole(dataset, "SamplesPerPixel", 1) > 1:
        stored = to_grey(stored)
    return stored.reshape(-1, dataset.Rows, dataset.Columns)


def _rescale(path: Path, stored: np.ndarray, dataset: Dataset, frames: list[Frame]) -> np.ndarray:
    if text(dataset, "PhotometricInterpretation") == "MONOCHROME1":
        bits = whole(dataset, "BitsStored", whole(dataset, "BitsAllocated"))
        brightest_plus_darkest = -1 if whole(dataset, "PixelRepresentation") else 2**bits - 1
        stored = brightest_plus_darkest - stored.astype(np.int64)
    if frames[0].rescale is not None:
        factors = [frame.rescale or (1.0, 0.0) for frame in sorted(frames, key=lambda frame: frame.index)]
        _check_slopes(path, [slope for slope, _ in factors])
        slope, intercept = np.array(factors, dtype=np.float64).T[:, :, np.newaxis, np.newaxis]
        return (stored * slope + intercept).astype(np.float32)
    slopes = numbers(dataset, "RescaleSlope")
    if slopes is None and value(dataset, "RescaleSlope") is not None:
        slopes = (math.nan,)
    _check_slopes(path, list(slopes or (1.0,)))
    return apply_modality_lut(stored, dataset).astype(np.float32)


def _check_slopes(path: Path, slopes: list[float]) -> None:
    for slope in slopes:
        if slope == 0 or not math.isfinite(slope):
            raise InputError(path, f"has a Rescale Slope of {slope}, which wipes out every value", EXPORT_AGAIN)


def _cut_mosaic(sheet: np.ndarray, tile: Frame) -> np.ndarray:
    """(rows, columns) of the sheet into (tiles, rows, columns), read like a page."""
    down, across = sheet.shape[0] // tile.rows, sheet.shape[1] // tile.columns
    cut = sheet.reshape(down, tile.rows, across, tile.columns).transpose(0, 2, 1, 3)
    return cut.reshape(-1, tile.rows, tile.columns)[: tile.tiles]
