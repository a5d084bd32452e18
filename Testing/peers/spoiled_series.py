"""A real series, spoiled so that it is flagged."""

from __future__ import annotations

from pathlib import Path

import pydicom
from pydicom.uid import generate_uid

from miqanet_core.artifacts import simulate


def spoiled(shared: Path, folder: Path) -> Path:
    """A real series with heavy simulated motion, under UIDs of its own."""
    folder.mkdir()
    series_uid = generate_uid()
    for number, path in enumerate(sorted((shared / "data" / "mri" / "thigh_T1_STS001").iterdir())):
        one = pydicom.dcmread(path)
        worse = simulate(one.pixel_array.astype("float32"), "motion", 1.0, number)
        one.PixelData = worse.clip(0, one.pixel_array.max()).astype(one.pixel_array.dtype).tobytes()
        one.SOPInstanceUID = generate_uid()
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
        one.SeriesInstanceUID = series_uid
        one.save_as(folder / path.name)
    return folder
