"""The quality map as a NIfTI file that opens on top of the source series in any viewer.

Float32, 0 to 100, on the series' own grid and with its geometry. Viewers take 0 for "nothing here" and draw it transparent,
while few know what to do with NaN; so 0 stands where nothing was scored, and a scored voxel is never below ``LOWEST``.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from miqanet_core.errors import InputError
from miqanet_core.quality import SeriesQuality
from miqanet_core.report.files import write_file
from miqanet_core.series import Geometry, MRSeries

LOWEST = 0.01
SUFFIXES = (".nii", ".nii.gz")


def write_overlay(path: str | Path, series: MRSeries, quality: SeriesQuality) -> Path:
    """Write ``quality.map`` as NIfTI; InputError when the series has no geometry or no map, or the file cannot be written."""
    path = Path(path)
    content = overlay_bytes(series, quality)
    # mtime 0: the same result gives the same bytes. Level 1: interpolated numbers hardly pack; 9 saves 2 % in twice the time.
    packed = path.name.lower().endswith(".gz")
    return write_file(path, gzip.compress(content, compresslevel=1, mtime=0) if packed else content)


def overlay_bytes(series: MRSeries, quality: SeriesQuality) -> bytes:
    """The uncompressed NIfTI-1 file."""
    import nibabel  # heavy, and only the overlay needs it

    source = series.sources[0] if series.sources else Path(series.description or "series")
    if series.geometry is None:
        raise InputError(source, "has no geometry, so an overlay would lie nowhere", "use the HTML report's pictures instead")
    if quality.map is None:
        raise InputError(source, "has no quality map: it was not assessed", "leave the overlay out for this series")
    if quality.map.shape != series.voxels.shape:
        raise ValueError(f"quality map {quality.map.shape} does not lie on the series' grid {series.voxels.shape}")
    values = np.where(np.isfinite(quality.map), np.maximum(quality.map, LOWEST), 0).astype(np.float32)
    affine = ras_affine(series.geometry)
    image = nibabel.Nifti1Image(values.transpose(2, 1, 0), affine)  # NIfTI counts column, row, slice
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner")
    image.header.set_xyzt_units("mm")
    image.header["cal_min"], image.header["cal_max"] = 0, 100
    image.header["descrip"] = b"MIQA quality 0..100, 0 = not scored"
    return image.to_bytes()


def ras_affine(geometry: Geometry) -> np.ndarray:
    """Voxel index (column, row, slice) -> NIfTI's RAS+ millimetres, from DICOM's LPS."""
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(geometry.direction, dtype=float) * np.asarray(geometry.spacing, dtype=float)
    affine[:3, 3] = geometry.origin
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
