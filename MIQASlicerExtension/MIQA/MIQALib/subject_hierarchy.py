"""What the subject-hierarchy entry needs that knows no Qt."""

from MIQALib.volumes import UnfitVolume, check_volume, is_result


def can_assess(node) -> bool:
    """True when "Assess image quality" makes sense on an item's data node, which may be None."""
    if node is None or not node.IsA("vtkMRMLScalarVolumeNode") or is_result(node):
        return False
    try:
        check_volume(node)
    except UnfitVolume:
        return False
    return True
