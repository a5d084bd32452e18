"""NIfTI-1 and NIfTI-2: ``.nii``, ``.nii.gz`` and ``.hdr`` with ``.img``.

Slices run along the third stored axis and rows along the second, whatever the orientation in the patient: so a file that was
converted from DICOM gives the slices the scanner made.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from miqanet_core.errors import InputError
from miqanet_core.readers.faults import check_claim, check_finite, check_size, faults_of
from miqanet_core.readers.kinds import ending
from miqanet_core.series import Geometry, MRSeries

CONVERT_AGAIN = "convert or copy it again"
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


def read(path: Path) -> list[MRSeries]:
    """One MRSeries for each volume of the file, scl_slope and scl_inter applied. Raises InputError."""
    with faults_of(path, "is not a NIfTI file that can be read", CONVERT_AGAIN):
        image: Any = nibabel.load(path)
        shape = _check_header(path, image)
        data = image.get_fdata(dtype=np.float32, caching="unchanged").reshape(shape, order="F")
    check_finite(path, data)
    geometry, notes = _geometry(image)
    count = shape[3]
    name = path.name[: -len(ending(path))]
    return [
        MRSeries(
            voxels=np.ascontiguousarray(data[..., volume].transpose(2, 1, 0)),
            geometry=geometry,
            description=name if count == 1 else f"{name}, volume {volume + 1} of {count}",
            sources=(path,),
            notes=notes,
        )
        for volume in range(count)
    ]


def _check_header(path: Path, image: Any) -> tuple[int, int, int, int]:
    """The shape as (columns, rows, slices, volumes), after everything the header alone can tell is checked."""
    if not hasattr(image, "dataobj") or not hasattr(image, "header"):
        raise InputError(path, "holds no volume", CONVERT_AGAIN)
    shape = tuple(int(length) for length in image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) > 4:
        size = " x ".join(map(str, shape))
        raise InputError(path, f"has {len(shape)} dimensions ({size})", "save each 3-D or 4-D part as a file of its own")
    columns, rows, slices, volumes = shape + (1,) * (4 - len(shape))
    check_size(path, rows, columns, slices * volumes)
    stored = image.get_data_dtype()
    if stored.fields is not None:
        raise InputError(path, "holds colour, not grey values", "convert it to one value a voxel")
    if stored.kind == "c":
        raise InputError(path, "holds complex values", "export the magnitude")
    _check_length(path, image, math.prod(shape) * stored.itemsize)
    return columns, rows, slices, volumes


def _check_length(path: Path, image: Any, claimed: int) -> None:
    holder = Path(image.file_map["image"].filename or path)
    if not holder.is_file():
        raise InputError(path, f"belongs to {holder.name}, which is missing", "keep both files in one folder")
    compressed = holder.suffix.lower() == ".gz"
    offset = 0 if compressed else int(image.dataobj.offset)
    check_claim(path, claimed, holder.stat().st_size - offset, compressed=compressed)


def _geometry(image: Any) -> tuple[Geometry | None, tuple[str, ...]]:
    """NIfTI counts in RAS, MIQA as DICOM in LPS. sform before qform before the voxel size, as nibabel does it."""
    affine = _RAS_TO_LPS @ np.asarray(image.affine, dtype=float)[:3, :]
    spacing = np.linalg.norm(affine[:, :3], axis=0)
    if not np.all(np.isfinite(affine)) or np.any(spacing <= 0):
        return None, ("the file's orientation is not valid and was left out",)
    header = image.header
    notes: tuple[str, ...] = ()
    if "qform_code" not in header or (int(header["qform_code"]) == 0 and int(header["sform_code"]) == 0):
        notes = ("the file does not say how its axes lie in the patient",)
    direction = affine[:, :3] / spacing
    geometry = Geometry(
        spacing=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        origin=(float(affine[0, 3]), float(affine[1, 3]), float(affine[2, 3])),
        direction=tuple((float(row[0]), float(row[1]), float(row[2])) for row in direction),
    )
    return geometry, notes
