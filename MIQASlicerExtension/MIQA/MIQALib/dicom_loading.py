"""Scores each series when it is loaded from the DICOM browser, where the user has asked for that."""

import vtk

import slicer
from MIQALib.volumes import UnfitVolume, check_volume, is_result

SETTING = "MIQA/ScoreOnDicomLoad"
_PATIENCE_MS = 500


class DicomLoading:
    """Watches ``scene`` for volumes that come from DICOM and hands them to ``score(volumes)``, once they are whole.

    ``enabled()`` says whether to. ``after(milliseconds, call)`` calls later, from the event loop.
    """

    def __init__(self, scene, enabled, score, after):
        self._scene, self._enabled, self._score, self._after = scene, enabled, score, after
        self._new: list[str] = []

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def added(_scene, _event, node) -> None:
            self._added(node)

        self._observer = scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, added)

    def stop(self) -> None:
        """Watch no more."""
        self._scene.RemoveObserver(self._observer)

    def _added(self, node) -> None:
        # A saved scene brings its results along.
        if not node.IsA("vtkMRMLScalarVolumeNode") or self._scene.IsImporting() or not self._enabled():
            return
        # The loader gives the node its voxels and attributes only after it is in the scene.
        if not self._new:
            self._after(_PATIENCE_MS, self._look)
        self._new.append(node.GetID())

    def _look(self) -> None:
        nodes = [self._scene.GetNodeByID(identifier) for identifier in self._new]
        self._new = []
        volumes = [node for node in nodes if node is not None and _from_dicom(node)]
        if volumes:
            self._score(volumes)


def _from_dicom(volume) -> bool:
    if is_result(volume) or not volume.GetAttribute("DICOM.instanceUIDs"):
        return False
    try:
        check_volume(volume)
    except UnfitVolume:
        return False
    return True
