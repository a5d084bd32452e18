"""A browsable 4-D sequence: every time point has its result, and the browser plays them beside the images."""

from __future__ import annotations

import numpy as np
import pytest

from miqanet_core.policy import Policy
from miqanet_core.series import Geometry, MRSeries
from mrml_samples import overlay_file, quality_of


@pytest.fixture
def browsed(slicer, scene):
    """Browser, proxy volume and the series of three time points."""
    rng = np.random.default_rng(0)
    points = [MRSeries(rng.random((4, 20, 24), np.float32), Geometry(), f"point {n}") for n in range(3)]
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "cine")
    for number, point in enumerate(points):
        volume = slicer.vtkMRMLScalarVolumeNode()
        slicer.util.updateVolumeFromArray(volume, point.voxels)
        volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(np.diag([-1.0, -1.0, 1.0, 1.0])))
        sequence.SetDataNodeAtValue(volume, str(number))
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    play(scene, browser, 0)
    return browser, browser.GetProxyNode(sequence), points


def play(scene, browser, number):
    """As Slicer does when the user moves the browser's slider."""
    browser.SetSelectedItemNumber(number)
    scene.logics[1].UpdateProxyNodesFromSequences(browser)


def test_results_follow_the_browser_and_a_second_run_replaces_them(slicer, scene, browsed, tmp_path):
    from MIQALib.result_nodes import MAP, ResultNodes
    from MIQALib.sequences import browser_of, store_time_point, time_points

    browser, volume, points = browsed
    assert browser_of(volume) is browser
    assert [value for value, _ in time_points(volume)] == ["0", "1", "2"]
    for scores in ([10.0, 20.0, 30.0], [50.0, 60.0, 70.0]):
        for number, point in enumerate(points):
            quality = quality_of(point, [scores[number]] * 4)
            store_time_point(volume, str(number), quality, Policy.default(), overlay_file(tmp_path, point, quality))
        nodes = scene.GetNumberOfNodes()
        for number in (2, 0, 1):
            play(scene, browser, number)
            quality, _ = ResultNodes(volume).load()
            assert quality.score == scores[number]
            shown = slicer.util.arrayFromVolume(ResultNodes(volume).node(MAP))
            assert int(shown.min()) == scores[number]
        assert scene.GetNumberOfNodes() == nodes
    assert len(list(scene.GetNodesByClass("vtkMRMLSequenceNode"))) == 3, "images, maps, documents"


def test_every_time_point_is_handed_to_the_process(slicer, scene, browsed, tmp_path):
    from MIQALib.logic import ScoringLogic
    from MIQALib.settings import Settings

    started = []

    class Process:
        def start(self, arguments):
            started.extend(map(str, arguments))

        def end_now(self):
            """Nothing runs."""

    logic = ScoringLogic(scene, lambda *_: Process(), tmp_path / "work")
    logic.start([browsed[1]], Settings())
    assert started.index("--out") == 4, "score and three files"
    logic.close()
