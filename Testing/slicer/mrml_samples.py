"""Volumes and results for the tests of the Slicer module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from judged import judged
from miqanet_core.policy import Policy
from miqanet_core.quality import SeriesQuality
from miqanet_core.report.overlay import ras_affine
from miqanet_core.series import Geometry, MRSeries

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = REPOSITORY / "MIQASlicerExtension" / "MIQA"


def add_volume(slicer, scene, series: MRSeries, name: str = "t2_tse_ax"):
    """The series as Slicer would load it: a scalar volume with the series' geometry, and its subject-hierarchy item."""
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    slicer.util.updateVolumeFromArray(node, series.voxels)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ras_affine(series.geometry)))
    node.CreateDefaultDisplayNodes()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "patient")
    study = hierarchy.CreateStudyItem(patient, "study")
    hierarchy.CreateItem(study, node)
    return node


def ijk_to_ras(slicer, node) -> np.ndarray:
    """The node's own matrix (4, 4)."""
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def flipped(series: MRSeries, axes: Sequence[int]) -> MRSeries:
    """The same voxels in memory with some axes (0 column, 1 row, 2 slice) turned round in the patient."""
    geometry = series.geometry
    assert geometry is not None
    direction = np.asarray(geometry.direction) @ np.diag([-1.0 if axis in axes else 1.0 for axis in range(3)])
    return replace(series, geometry=Geometry(geometry.spacing, geometry.origin, tuple(map(tuple, direction.tolist()))))


def quality_of(series: MRSeries, scores: Sequence[float | None], policy: Policy | None = None) -> SeriesQuality:
    """A result with these scores. In each slice the map counts up from the score's whole part: neighbours differ."""
    artifacts = {i: {"ghosting": 0.42} for i, s in enumerate(scores) if s is not None and s < 50}
    ramp = np.arange(series.voxels[0].size, dtype=np.float32).reshape(series.voxels[0].shape) % 997 / 1000
    quality_map = np.stack([np.full_like(ramp, np.nan) if s is None else np.floor(s) + ramp for s in scores])
    return replace(judged(series, scores, artifacts, policy=policy), in_domain=True, map=quality_map)


def overlay_file(folder: Path, series: MRSeries, quality: SeriesQuality) -> Path:
    """What ``miqanet score --out`` writes beside the result."""
    from miqanet_core.report.overlay import write_overlay

    return write_overlay(folder / "map.nii.gz", series, quality)
