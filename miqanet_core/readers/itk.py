"""NRRD (``.nrrd``, ``.nhdr``) and MetaImage (``.mha``, ``.mhd``), read by SimpleITK.

Slices run along the third stored axis, as in the NIfTI reader.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from miqanet_core.errors import InputError
from miqanet_core.readers.faults import check_claim, check_finite, check_size, faults_of
from miqanet_core.series import Geometry, MRSeries

SAVE_AGAIN = "save or copy it again"
_HEADER_BYTES = 65536
_DATA_FILE = re.compile(rb"^(?:ElementDataFile\s*=|data ?file:)[ \t]*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)
_COMPRESSED = re.compile(rb"^(?:CompressedData\s*=\s*True|encoding:\s*(?:gz|gzip|bz2|bzip2|hex|txt|text|ascii))", re.I | re.M)


def read(path: Path) -> list[MRSeries]:
    """One MRSeries for each volume of the file. Raises InputError."""
    with faults_of(path, "is not an image file that can be read", SAVE_AGAIN), _quiet_itk():
        reader = _open_header(path)
        _check_header(path, reader)
        image = reader.Execute()
    voxels = _volumes(image, reader)
    check_finite(path, voxels)
    count = voxels.shape[0]
    geometry, notes = _geometry(image)
    return [
        MRSeries(
            voxels=np.ascontiguousarray(volume),
            geometry=geometry,
            description=path.stem if count == 1 else f"{path.stem}, volume {number} of {count}",
            sources=(path,),
            notes=notes,
        )
        for number, volume in enumerate(voxels, start=1)
    ]


def _open_header(path: Path) -> sitk.ImageFileReader:
    """SimpleITK's reader with the header read and nothing allocated yet."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return reader


@contextmanager
def _quiet_itk() -> Iterator[None]:
    """Keep ITK's own warnings off stderr: its errors come as exceptions."""
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)


def _claimed_bytes(reader: sitk.ImageFileReader) -> int:
    """How many bytes the header says the voxels take."""
    bits = re.search(r"(\d+)-bit", sitk.GetPixelIDValueAsString(reader.GetPixelID()))
    scalar = int(bits.group(1)) // 8 if bits else 1
    return math.prod(reader.GetSize()) * reader.GetNumberOfComponents() * scalar


def _check_header(path: Path, reader: sitk.ImageFileReader) -> None:
    size = reader.GetSize()
    if reader.GetPixelID() in (sitk.sitkComplexFloat32, sitk.sitkComplexFloat64):
        raise InputError(path, "holds complex values", "export the magnitude")
    if not 2 <= len(size) <= 4:
        raise InputError(path, f"has {len(size)} dimensions", "save each 3-D or 4-D part as a file of its own")
    if reader.GetNumberOfComponents() > 1 and not _is_list(reader):
        problem = f"holds {reader.GetNumberOfComponents()} values a voxel (colour or vectors), not one"
        raise InputError(path, problem, "save one value a voxel")
    check_size(path, size[1], size[0], math.prod(size[2:]))
    _check_length(path, _claimed_bytes(reader))


def _is_list(reader: sitk.ImageFileReader) -> bool:
    """3D Slicer writes a sequence of volumes with the NRRD kind "list"; ITK hands it over as components of one voxel."""
    return any(key.startswith("NRRD_kinds") and reader.GetMetaData(key) == "list" for key in reader.GetMetaDataKeys())


def _check_length(path: Path, claimed: int) -> None:
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    compressed = _COMPRESSED.search(head) is not None
    named = _DATA_FILE.search(head)
    name = named.group(1).decode("utf-8", "replace") if named else "LOCAL"
    if name.upper().startswith("LIST") or "%" in name:
        return  # a list or pattern of files: ITK looks for each
    holder = path if name.upper() == "LOCAL" else path.parent / name
    if not holder.is_file():
        raise InputError(path, f"has its voxels in {name}, which is missing", "keep both files in one folder")
    check_claim(path, claimed, holder.stat().st_size, compressed=compressed)


def _volumes(image: sitk.Image, reader: sitk.ImageFileReader) -> np.ndarray:
    """(volumes, slices, rows, columns), float32."""
    voxels = sitk.GetArrayFromImage(image).astype(np.float32)
    if image.GetNumberOfComponentsPerPixel() > 1:
        voxels = np.moveaxis(voxels, -1, 0)
    if image.GetDimension() == 2:
        return voxels.reshape((-1, 1) + voxels.shape[-2:])
    return voxels.reshape((-1,) + voxels.shape[-3:])


def _geometry(image: sitk.Image) -> tuple[Geometry | None, tuple[str, ...]]:
    dimension = image.GetDimension()
    if dimension < 3:
        return None, ("the file is one flat image without a place in the patient",)
    matrix = np.array(image.GetDirection()).reshape(dimension, dimension)[:3, :3]
    columns, rows, slices = image.GetSpacing()[:3]
    x, y, z = image.GetOrigin()[:3]
    direction = tuple((float(row[0]), float(row[1]), float(row[2])) for row in matrix)
    return Geometry((columns, rows, slices), (x, y, z), direction), ()
