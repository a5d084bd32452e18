"""Makes the pictures of the user guide: a real volume, four slices spoiled by simulated motion, scored by the real model.

PYTHONPATH=. python Testing/slicer/guide_pictures.py ../shared/data/mri/brain_T2_FSE_FNNDSC MIQASlicerExtension/Screenshots
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "unit")]

from PIL import Image  # noqa: E402
from PySide6 import QtWidgets  # noqa: E402

import conftest  # noqa: E402
from miqanet_core import Scorer, read_series  # noqa: E402
from miqanet_core.artifacts import simulate  # noqa: E402
from miqanet_core.policy import Policy  # noqa: E402
from mrml_samples import add_volume, overlay_file  # noqa: E402

SPOILED = (4, 5, 6, 7)


def main(source: Path, out: Path) -> None:
    """Read, spoil, score, show, photograph."""
    slicer = conftest.slicer.__wrapped__()
    scene = next(scenes := conftest.scene.__wrapped__(slicer))
    slicer.mrmlScene = scene
    application = QtWidgets.QApplication([])
    from MIQALib.logic import ScoringLogic
    from MIQALib.panel import Panel
    from MIQALib.parameters import Parameters
    from MIQALib.quality_map import read_overlay
    from MIQALib.result_nodes import MAP, ResultNodes
    from MIQALib.slice_label import SliceLabels
    from MIQALib.slice_views import jump_to, show_map
    from panel_window import load_window, qt_namespace
    from slice_view import SliceView
    from test_slicer_panel import FakeApplication

    series = read_series(source)
    voxels = series.voxels.copy()
    for index in SPOILED:
        voxels[index] = simulate(voxels[index], "motion", 0.8, index)
    series = replace(series, voxels=voxels)
    quality = Scorer(device="cpu").score(series)
    volume = add_volume(slicer, scene, series, "T2 with motion")
    view = SliceView(slicer, scene, "Red", 620, 620)
    nodes = ResultNodes(volume)
    nodes.update(quality, Policy.default(), read_overlay(overlay_file(out, series, quality), volume))
    (out / "map.nii.gz").unlink()
    show_map(scene, volume, nodes.node(MAP), 0.4)
    view.fit()
    labels = SliceLabels(lambda: [(view.slice_node, view.composite_node, view.renderer, view.render)])
    jump_to(scene, volume, SPOILED[0])
    Image.fromarray(view.picture()).save(out / "slice_view.png", optimize=True)

    window, ui = load_window()
    logic = ScoringLogic(scene, None, out / "unused")
    panel = Panel(qt_namespace(), ui, logic, labels, FakeApplication())
    parameters = Parameters()
    parameters.inputVolume = volume
    ui.inputSelector.setCurrentNode(volume)
    ui.scopeComboBox.addItem(parameters.scope.label())
    ui.opacitySlider.setValue(parameters.opacity)
    for name in ("settingsCollapsibleButton", "installationCollapsibleButton"):
        getattr(ui, name).hide()
    panel.use(parameters)
    panel.next_worst()
    window.resize(470, 700)
    window.show()
    application.processEvents()
    window.grab().save(str(out / "panel.png"))
    panel.close()
    labels.remove()
    scenes.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
