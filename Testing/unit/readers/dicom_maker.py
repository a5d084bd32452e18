"""Synthetic DICOM files for the reader tests."""

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

AXIAL = [1, 0, 0, 0, 1, 0]
SAGITTAL = [0, 1, 0, 0, 0, -1]
CORONAL = [1, 0, 0, 0, 0, -1]
SERIES_UID = generate_uid()


def noise(seed: int, rows: int = 24, columns: int = 20) -> np.ndarray:
    """uint16 (rows, columns), 0..999, the same for the same seed."""
    return np.random.default_rng(seed).integers(0, 1000, (rows, columns)).astype(np.uint16)


def mr_image(pixels: np.ndarray, **tags: Any) -> Dataset:
    """A classic MR image of one frame at z = 0; ``tags`` overwrite its elements, None removes one."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    elements: dict[str, Any] = {
        "SOPClassUID": MRImageStorage, "SOPInstanceUID": generate_uid(), "SeriesInstanceUID": SERIES_UID,
        "StudyInstanceUID": "1.2.3", "PatientID": "P1", "PatientName": "Doe^Jo", "Modality": "MR",
        "SeriesDescription": "t2", "SeriesNumber": 4, "InstanceNumber": 1, "EchoTime": 80,
        "ImageType": ["ORIGINAL", "PRIMARY", "M"],
        "ImagePositionPatient": [0, 0, 0], "ImageOrientationPatient": AXIAL, "PixelSpacing": [0.5, 0.75], "SliceThickness": 3,
        "Rows": pixels.shape[-2], "Columns": pixels.shape[-1], "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 8 * pixels.itemsize, "BitsStored": 8 * pixels.itemsize, "HighBit": 8 * pixels.itemsize - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    }  # fmt: skip
    for keyword, value in {**elements, **tags}.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.add_new("PixelData", "OB" if pixels.itemsize == 1 else "OW", pixels.tobytes())
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", MRImageStorage)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "1.2")
    return dataset


def save(dataset: Dataset, path: Path) -> Path:
    """Write with preamble and meta header, whatever the content is worth."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def slices(folder: Path, zs: list[float], *, first: int = 0, name: str = "a{}.dcm", **tags: Any) -> list[np.ndarray]:
    """One file for each z, pixels ``noise(first + index)``."""
    images = []
    for index, z in enumerate(zs):
        pixels = noise(first + index)
        image = mr_image(pixels, **{"ImagePositionPatient": [0, 0, z], "InstanceNumber": first + index + 1, **tags})
        save(image, folder / name.format(first + index))
        images.append(pixels)
    return images


def groups(**sequences: dict[str, Any]) -> Dataset:
    """A functional group item: each keyword is a sequence of one item with the given elements."""
    outer = Dataset()
    for keyword, elements in sequences.items():
        inner = Dataset()
        for element, value in elements.items():
            setattr(inner, element, value)
        setattr(outer, keyword, Sequence([inner]))
    return outer


def enhanced(pixels: np.ndarray, frames: list[Dataset], **tags: Any) -> Dataset:
    """An Enhanced MR image: pixels (frames, rows, columns) and each frame's own functional groups."""
    shared = groups(
        PlaneOrientationSequence={"ImageOrientationPatient": AXIAL},
        PixelMeasuresSequence={"PixelSpacing": [0.5, 0.75], "SliceThickness": 3},
        MRTimingAndRelatedParametersSequence={"RepetitionTime": 4000, "FlipAngle": 90},
    )
    plain = {"ImagePositionPatient": None, "ImageOrientationPatient": None, "PixelSpacing": None, "EchoTime": None}
    return mr_image(
        pixels,
        SOPClassUID=EnhancedMRImageStorage,
        NumberOfFrames=len(pixels),
        SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence(frames),
        **plain,
        **tags,
    )
