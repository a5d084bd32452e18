"""Results in the scene: geometry, nodes, second run, save and load. Real MRML, real volumes, made-up scores."""

from __future__ import annotations

import numpy as np
import pytest

from miqanet_core import read_series
from miqanet_core.policy import Policy
from mrml_samples import add_volume, flipped, ijk_to_ras, overlay_file, quality_of

SCANS = {
    "axial": ("mri/brain_T1Gd_pyradiomics", ()),
    "oblique": ("mri/pelvis_prostate_PX0000_T2tra", ()),
    "sagittal": ("mri/pelvis_prostate_PX0000_T2sag", ()),
    "coronal": ("mri/pelvis_hip_PX0000_T2cor", ()),
    "column flipped": ("mri/pelvis_prostate_PX0000_T2tra", (0,)),
    "slice flipped": ("mri/pelvis_prostate_PX0000_T2sag", (2,)),
    "all flipped": ("mri/pelvis_hip_PX0000_T2cor", (0, 1, 2)),
}


@pytest.fixture
def prostate(shared):
    return read_series(shared / "data" / "mri" / "pelvis_prostate_PX0000_T2tra")


def scores_for(series):
    return [None if k == 0 else 40.0 + 7 * k for k in range(len(series.voxels))]


def update(slicer, volume, series, folder, scores=None, policy=None):
    from MIQALib.quality_map import read_overlay
    from MIQALib.result_nodes import ResultNodes

    quality = quality_of(series, scores or scores_for(series), policy)
    nodes = ResultNodes(volume)
    nodes.update(quality, policy or Policy.default(), read_overlay(overlay_file(folder, series, quality), volume))
    return nodes, quality


@pytest.mark.parametrize("under_transform", [False, True], ids=["", "under a parent transform"])
@pytest.mark.parametrize("scan", SCANS)
def test_map_lies_voxel_by_voxel_on_the_volume(slicer, scene, shared, tmp_path, scan, under_transform):
    from MIQALib.result_nodes import MAP

    folder, axes = SCANS[scan]
    series = flipped(read_series(shared / "data" / folder), axes)
    volume = add_volume(slicer, scene, series)
    if under_transform:
        transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        turn = np.eye(4)
        turn[:3, :3] = np.linalg.qr(np.array([[0.9, 0.3, -0.2], [-0.2, 0.8, 0.5], [0.3, -0.4, 0.9]]))[0]
        turn[:3, 3] = 12.5, -40, 7
        transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(turn))
        volume.SetAndObserveTransformNodeID(transform.GetID())
    nodes, quality = update(slicer, volume, series, tmp_path)
    node = nodes.node(MAP)

    expected = np.where(np.isfinite(quality.map), quality.map, 0)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), expected.astype(np.float32))
    np.testing.assert_allclose(ijk_to_ras(slicer, node), ijk_to_ras(slicer, volume), rtol=0, atol=1e-9)
    corners = [(i, j, k) for i in (0, series.size[0] - 1) for j in (0, series.size[1] - 1) for k in (0, series.size[2] - 1)]
    for corner in corners:
        np.testing.assert_allclose(world(slicer, node, corner), world(slicer, volume, corner), rtol=0, atol=1e-6)
    # And against the file's own geometry, which knows nothing of Slicer.
    if not under_transform:
        from miqanet_core.report.overlay import ras_affine

        inside = ras_affine(series.geometry) @ [*corners[-1], 1]
        np.testing.assert_allclose(world(slicer, node, corners[-1]), inside[:3], rtol=0, atol=1e-6)


def world(slicer, node, ijk):
    point = [0.0, 0.0, 0.0]
    node.TransformPointToWorld((ijk_to_ras(slicer, node) @ [*ijk, 1])[:3], point)
    return point


def test_overlay_of_another_grid_is_refused(slicer, scene, prostate, shared, tmp_path):
    from MIQALib.quality_map import read_overlay

    volume = add_volume(slicer, scene, read_series(shared / "data/mri/pelvis_prostate_PX0000_T2sag"))
    other = overlay_file(tmp_path, prostate, quality_of(prostate, scores_for(prostate)))
    with pytest.raises(ValueError, match="another size"):
        read_overlay(other, volume)


def test_table_chart_colours_and_legend(slicer, scene, prostate, tmp_path):
    from MIQALib.result_nodes import CHART, MAP, TABLE

    nodes, quality = update(slicer, add_volume(slicer, scene, prostate), prostate, tmp_path)
    table = nodes.node(TABLE)
    assert table.GetNumberOfRows() == 8
    assert [table.GetColumnName(c) for c in range(5)] == ["slice", "score", "flag", "artefacts", "unclear"]
    assert [table.GetCellText(1, c) for c in range(4)] == ["2", "47", "▲ flagged", "Ghosting 0.42"]
    assert table.GetCellText(0, 2) == "not scored"

    chart = nodes.node(CHART)
    names = list(chart_series_names(chart))
    assert names == ["score", "flagged", "diagnostic series ≥ 60", "slice flagged < 50", "non-diagnostic < 40"]
    for number in range(chart.GetNumberOfPlotSeriesNodes()):
        node = chart.GetNthPlotSeriesNode(number)
        assert node.GetTableNode() is table
        assert node.GetYColumnName() in [table.GetColumnName(c) for c in range(table.GetNumberOfColumns())]

    display = nodes.node(MAP).GetDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0, 100)
    assert (display.GetLowerThreshold(), display.GetApplyThreshold(), display.GetInterpolate()) == (0.005, 1, 0)
    from miqanet_core.presenter import QUALITY_COLOURS

    colour = [0.0] * 4
    for value, expected in ((0, QUALITY_COLOURS[0]), (100, QUALITY_COLOURS[-1])):
        display.GetColorNode().GetLookupTable().GetColor(value, colour_ := [0.0] * 3)
        np.testing.assert_allclose(np.array(colour_) * 255, expected, atol=0.5)
    assert display.GetColorNode().GetColor(0, colour)
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(nodes.node(MAP))
    assert legend.GetVisibility()
    assert legend.GetTitleText().startswith("MIQA quality")
    assert quality.score is not None


def chart_series_names(chart):
    return [chart.GetNthPlotSeriesNode(n).GetName() for n in range(chart.GetNumberOfPlotSeriesNodes())]


def test_everything_lies_under_the_volume_and_so_in_its_study(slicer, scene, prostate, tmp_path):
    volume = add_volume(slicer, scene, prostate)
    nodes, _ = update(slicer, volume, prostate, tmp_path)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(volume))
    assert hierarchy.GetItemName(study) == "study"
    assert len(nodes.all_nodes()) == 9  # document, map, table, chart, five curves
    for node in nodes.all_nodes():
        item = hierarchy.GetItemByDataNode(node)
        assert hierarchy.GetItemParent(item) == hierarchy.GetItemByDataNode(volume)
        assert hierarchy.GetItemAncestorAtLevel(item, "Study") == study


def test_second_run_updates_instead_of_piling_up(slicer, scene, prostate, tmp_path):
    volume = add_volume(slicer, scene, prostate)
    nodes, _ = update(slicer, volume, prostate, tmp_path)
    before = (scene.GetNumberOfNodes(), [node.GetID() for node in nodes.all_nodes()])
    items = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene).GetNumberOfItems()
    policy = Policy(30, 50, 20, 0.1, 0.5)
    _, quality = update(slicer, volume, prostate, tmp_path, [91.5] * 8, policy)
    assert (scene.GetNumberOfNodes(), [node.GetID() for node in nodes.all_nodes()]) == before
    assert slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene).GetNumberOfItems() == items
    from MIQALib.result_nodes import CHART, MAP, TABLE

    assert nodes.node(TABLE).GetCellText(0, 1) == "91.5"
    assert chart_series_names(nodes.node(CHART))[2:] == ["diagnostic series ≥ 50", "slice flagged < 30", "non-diagnostic < 20"]
    assert slicer.util.arrayFromVolume(nodes.node(MAP)).min() >= 91
    assert nodes.load()[1] == policy


def test_two_volumes_do_not_share_results(slicer, scene, prostate, tmp_path):
    first, second = (add_volume(slicer, scene, prostate, name) for name in ("first", "second"))
    nodes, _ = update(slicer, first, prostate, tmp_path)
    other, _ = update(slicer, second, prostate, tmp_path, [91.0] * 8)
    assert {n.GetID() for n in nodes.all_nodes()}.isdisjoint(n.GetID() for n in other.all_nodes())
    assert nodes.load()[0].score != other.load()[0].score


def test_not_assessed_has_no_score_and_no_legend(slicer, scene, prostate, tmp_path):
    from MIQALib.result_nodes import MAP

    nodes, _ = update(slicer, add_volume(slicer, scene, prostate), prostate, tmp_path, [None] * 8)
    assert nodes.load()[0].score is None
    assert slicer.util.arrayFromVolume(nodes.node(MAP)).max() == 0
    assert slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(nodes.node(MAP)) is None


def test_saving_and_loading_the_scene_keeps_the_result(slicer, scene, prostate, tmp_path):
    from MIQALib.result_nodes import CHART, MAP, TABLE, ResultNodes

    volume = add_volume(slicer, scene, prostate, "t2 für Ärzte 脳")
    nodes, quality = update(slicer, volume, prostate, tmp_path)
    folder = tmp_path / "saved"
    folder.mkdir()
    for node in (volume, nodes.node(MAP), nodes.node(TABLE)):
        node.AddDefaultStorageNode()
        storage = node.GetStorageNode()
        storage.SetFileName(str(folder / f"{node.GetID()}.{storage.GetDefaultWriteFileExtension()}"))
        assert storage.WriteData(node)
    scene.SetURL(str(folder / "scene.mrml"))
    assert scene.Commit()

    scene.Clear(True)
    scene.SetURL(str(folder / "scene.mrml"))
    assert scene.Import()
    (again,) = [v for v in scene.GetNodesByClass("vtkMRMLScalarVolumeNode") if v.GetName() == "t2 für Ärzte 脳"]
    loaded = ResultNodes(again)
    assert loaded.load()[1] == Policy.default()
    assert loaded.load()[0].to_dict() == quality.to_dict()
    expected = np.where(np.isfinite(quality.map), quality.map, 0).astype(np.float32)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(loaded.node(MAP)), expected)
    np.testing.assert_allclose(ijk_to_ras(slicer, loaded.node(MAP)), ijk_to_ras(slicer, again), rtol=0, atol=1e-6)
    assert [loaded.node(TABLE).GetCellText(1, c) for c in range(3)] == ["2", "47", "▲ flagged"]
    assert chart_series_names(loaded.node(CHART))[0] == "score"
    assert loaded.node(MAP).GetDisplayNode().GetColorNode().GetName() == "MIQA quality"
    assert len(loaded.all_nodes()) == 9


def test_damaged_document_is_no_result(slicer, scene, prostate, tmp_path):
    from MIQALib.result_nodes import RESULT

    nodes, _ = update(slicer, add_volume(slicer, scene, prostate), prostate, tmp_path)
    nodes.node(RESULT).SetText("{}")
    assert nodes.load() == (None, None)
