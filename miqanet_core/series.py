"""An MR series as every part of MIQA sees it: voxels, geometry, acquisition facts and identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

# The note that every reader of colour images leaves.
COLOUR_NOTE = "colour was turned to grey"


@dataclass(frozen=True)
class Geometry:
    """Where the voxels lie in the patient, in DICOM's LPS millimetres (SimpleITK's convention).

    ``spacing`` is (column, row, slice) in mm, ``origin`` the centre of voxel (0, 0, 0), ``direction`` the 3 x 3 matrix
    whose columns are the unit vectors along increasing column, row and slice index.
    """

    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[tuple[float, float, float], ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@dataclass(frozen=True)
class Identity:
    """Who and what the series is. Leaves the process only when the user asks for it (``--identity``)."""

    patient_id: str = ""
    patient_name: str = ""
    study_uid: str = ""
    series_uid: str = ""
    instance_uids: tuple[str, ...] = ()


class SliceSource(NamedTuple):
    """The DICOM image that a slice was read from: its SOP Instance UID, and the frame's number, from 1, in a multi-frame image.

    ``frame`` is None for a single-frame image; the slices of a Siemens mosaic all come from one such image.
    """

    instance_uid: str
    frame: int | None = None


@dataclass(frozen=True, eq=False)
class MRSeries:
    """One stack of slices that belong together: one echo, one phase, one time point, one orientation.

    ``voxels``: float32, (slices, rows, columns), in the units of the file after its rescale slope and intercept.
    ``geometry``: None when the file has none (PNG, a DICOM image without position).
    ``modality``: DICOM's code, "MR", "CT", ...; "" when the format does not say.
    ``facts``: acquisition facts that name no person (manufacturer, sequence, TE, ...), for reports and baselines.
    ``sources``: the file of each slice, or one file for all of them.
    ``slice_sources``: the DICOM image of each slice; empty when the series is not DICOM.
    ``notes``: what the reader saw and the user should know ("2 slices are missing", "colour turned to grey").
    """

    voxels: np.ndarray
    geometry: Geometry | None
    description: str
    modality: str = ""
    facts: Mapping[str, str | float] = field(default_factory=dict)
    identity: Identity = field(default_factory=Identity)
    sources: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    slice_sources: tuple[SliceSource, ...] = ()

    def __post_init__(self) -> None:
        if self.voxels.ndim != 3 or self.voxels.dtype != np.float32:
            raise TypeError(f"voxels must be float32 (slices, rows, columns), got {self.voxels.dtype} {self.voxels.shape}")

    @property
    def size(self) -> tuple[int, int, int]:
        """Columns, rows, slices: the order in which the field writes a matrix size."""
        slices, rows, columns = self.voxels.shape
        return columns, rows, slices
