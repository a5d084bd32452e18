"""The quality map as a volume that lies exactly on the volume it was made of."""

import vtk

import slicer

# Where nothing was scored the map holds 0; a scored voxel is never below 0.01 (miqanet_core.report.overlay).
_LOWEST_SHOWN = 0.005


def read_overlay(path, volume):
    """The voxels of an overlay file of miqanet, float32 (slices, rows, columns) in the order of ``volume``'s own.

    Slicer's reader turns left-handed axes round; that is undone here. ValueError when the file is of another grid.
    """
    import numpy as np

    node = slicer.vtkMRMLScalarVolumeNode()
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(path))
    storage.SetSingleFile(True)
    if not storage.ReadData(node):
        raise ValueError(f"{path} cannot be read")
    voxels = slicer.util.arrayFromVolume(node)
    if voxels.shape != slicer.util.arrayFromVolume(volume).shape:
        raise ValueError(f"{path} has another size than {volume.GetName()}")
    to_file = np.linalg.inv(_ijk_to_ras(node)) @ _ijk_to_ras(volume)
    signs = np.sign(np.diag(to_file)[:3])
    # NIfTI keeps single precision, over up to some hundred millimetres.
    if not np.allclose(to_file[:3, :3], np.diag(signs), atol=1e-3):
        raise ValueError(f"{path} has other axes than {volume.GetName()}")
    i, j, k = (slice(None, None, int(sign)) for sign in signs)
    return np.ascontiguousarray(voxels[k, j, i], np.float32)


def set_map(node, voxels, volume) -> None:
    """Give the map's node ``voxels`` (slices, rows, columns) and the geometry of ``volume``.

    The geometry is copied from the volume, not read from a file: it is equal to the last bit.
    """
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    node.SetIJKToRASMatrix(matrix)
    slicer.util.updateVolumeFromArray(node, voxels)


def update_map(node, voxels, volume, color_node) -> None:
    """As :func:`set_map`, with the volume's parent transform and, in the scene, a display in the colours of ``color_node``."""
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    # Before the voxels: a display that still chooses its own window would look through all of them for it.
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetAndObserveColorNodeID(color_node.GetID())
    display = node.GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(0, 100)
    # Between a scored voxel and a 0 beside it, interpolation would draw a rim of bad quality that nobody measured.
    display.SetInterpolate(False)
    display.SetAutoThreshold(False)
    display.SetLowerThreshold(_LOWEST_SHOWN)
    display.SetUpperThreshold(100)
    display.SetApplyThreshold(True)
    set_map(node, voxels, volume)


def quality_colors(scene):
    """The scene's colour table of quality, made when it is not there: colour-blind safe, the presenter's own."""
    from miqanet_core.presenter import QUALITY_COLOURS

    name = "MIQA quality"
    node = scene.GetFirstNode(name, "vtkMRMLColorTableNode")
    if node is None:
        node = slicer.vtkMRMLColorTableNode()
        node.SetTypeToUser()
        node.SetName(name)
        node.SetAttribute("Category", "MIQA")
        node.SetHideFromEditors(False)
        scene.AddNode(node)
    count = len(QUALITY_COLOURS)
    node.SetNumberOfColors(count)
    for step, (red, green, blue) in enumerate(QUALITY_COLOURS.tolist()):
        node.SetColor(step, f"{100 * step / (count - 1):.0f}", red / 255, green / 255, blue / 255, 1.0)
    node.GetLookupTable().SetRange(0, 100)
    return node


def show_legend(map_node, visible: bool) -> None:
    """The bar of colours beside the slice views."""
    logic = slicer.vtkSlicerColorLogic
    legend = logic.GetColorLegendDisplayNode(map_node)
    if legend is None:
        if not visible:
            return
        legend = logic.AddDefaultColorLegendDisplayNode(map_node)
    legend.SetTitleText("MIQA quality")
    legend.SetLabelFormat("%.0f")
    legend.SetNumberOfLabels(5)
    legend.SetVisibility(visible)


def _ijk_to_ras(volume):
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)
