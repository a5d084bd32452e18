"""Slice views: show the map over the volume, go to a slice, tell which slice is shown."""

import vtk

import slicer

# The cosine between a view's normal and the volume's slice axis from which on the view shows acquired slices.
_PARALLEL = 0.999


def show_map(scene, volume, map_node, opacity: float) -> None:
    """Lay the map over the volume in every view that shows the volume; in all views when none does. ``opacity`` 0..1.

    The views are turned into the volume's planes: only then is what they show a slice that has a score.
    """
    composites = list(scene.GetNodesByClass("vtkMRMLSliceCompositeNode"))
    showing = [node for node in composites if node.GetBackgroundVolumeID() == volume.GetID()]
    for composite in showing or composites:
        composite.SetBackgroundVolumeID(volume.GetID())
        composite.SetForegroundVolumeID(map_node.GetID())
        composite.SetForegroundOpacity(opacity)
    for node in scene.GetNodesByClass("vtkMRMLSliceNode"):
        node.RotateToVolumePlane(volume)


def set_opacity(scene, map_node, opacity: float) -> None:
    """Opacity of the map, 0..1, wherever it is shown."""
    for composite in scene.GetNodesByClass("vtkMRMLSliceCompositeNode"):
        if composite.GetForegroundVolumeID() == map_node.GetID():
            composite.SetForegroundOpacity(opacity)


def slice_center(volume, index: int):
    """The middle of slice ``index`` (from 0) in the world's RAS millimetres, parent transforms applied."""
    columns, rows, _slices = volume.GetImageData().GetDimensions()
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    local = matrix.MultiplyPoint(((columns - 1) / 2, (rows - 1) / 2, index, 1))[:3]
    world = [0.0, 0.0, 0.0]
    volume.TransformPointToWorld(local, world)
    return world


def jump_to(scene, volume, index: int) -> None:
    """Move every slice view to the middle of slice ``index``; a view of the acquired plane then shows the slice whole."""
    slicer.vtkMRMLSliceNode.JumpAllSlices(scene, *slice_center(volume, index))


def shown_slice(slice_node, volume):
    """Index of the acquired slice that a view shows; None when the view cuts across slices or lies outside of them."""
    count = volume.GetImageData().GetDimensions()[2]
    first, second = slice_center(volume, 0), slice_center(volume, 1)
    step = [b - a for a, b in zip(first, second, strict=True)]
    to_ras = slice_node.GetSliceToRAS()
    normal = [to_ras.GetElement(row, 2) for row in range(3)]
    along = _dot(step, normal)
    if abs(along) < _PARALLEL * _dot(step, step) ** 0.5 * _dot(normal, normal) ** 0.5:
        return None
    origin = [to_ras.GetElement(row, 3) for row in range(3)]
    index = round(_dot([o - f for o, f in zip(origin, first, strict=True)], normal) / along)
    return index if 0 <= index < count else None


def _dot(a, b) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))
