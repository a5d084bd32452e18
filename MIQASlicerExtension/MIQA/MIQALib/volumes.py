"""Volumes of the scene: which can be scored, and how they reach the scoring process."""

import re
from pathlib import Path

from slicer.i18n import tr as _

import slicer


class UnfitVolume(ValueError):
    """A volume that cannot be scored; one line that says why."""


def check_volume(volume) -> None:
    """UnfitVolume when ``volume``, a vtkMRMLVolumeNode, is nothing to score."""
    name = volume.GetName()
    if volume.GetImageData() is None:
        raise UnfitVolume(_("{name} holds no voxels").format(name=name))
    if volume.IsA("vtkMRMLLabelMapVolumeNode"):
        raise UnfitVolume(_("{name} is a label map; choose the images it was drawn on").format(name=name))
    if volume.GetImageData().GetNumberOfScalarComponents() != 1:
        raise UnfitVolume(_("{name} holds colours or vectors; choose a volume of grey values").format(name=name))
    modality = modality_of(volume)
    if modality not in ("", "MR"):
        raise UnfitVolume(_("{name} is {modality}, not MR; MIQA knows only MR").format(name=name, modality=modality))


def modality_of(volume) -> str:
    """DICOM's code of the series that the volume was loaded from; "" when it was not loaded from DICOM."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(volume.GetScene())
    item = hierarchy.GetItemByDataNode(volume) if hierarchy else 0
    return (hierarchy.GetItemAttribute(item, "DICOM.Modality") if item else "") or ""


def is_result(node) -> bool:
    """True for the quality maps that MIQA itself puts into the scene."""
    return bool(node.GetAttribute("MIQA.of"))


def volumes_to_score(scene) -> list:
    """All volumes of the scene that can be scored, in the scene's order."""
    found = []
    for volume in scene.GetNodesByClass("vtkMRMLScalarVolumeNode"):
        if is_result(volume):
            continue
        try:
            check_volume(volume)
        except UnfitVolume:
            continue
        found.append(volume)
    return found


def write_volume(volume, folder) -> Path:
    """Write the voxels with their own geometry (no parent transform) as NRRD, for the scoring process.

    ``folder`` is made. The file bears the volume's name, as reports show it. UnfitVolume when it cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # What no file system forbids; a leading dot would hide the file from the reader.
    name = re.sub(r'[<>:"/\\|?*\x00-\x1f]+', "_", volume.GetName()).strip(" .")[:60] or "volume"
    path = folder / f"{name}.nrrd"
    storage = slicer.vtkMRMLNRRDStorageNode()
    storage.SetFileName(str(path))
    storage.SetUseCompression(False)
    if not storage.WriteData(volume):
        raise UnfitVolume(
            _("{name} could not be written to {folder}; free some space there").format(name=volume.GetName(), folder=folder)
        )
    return path
