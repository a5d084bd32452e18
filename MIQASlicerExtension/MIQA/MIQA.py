"""MIQA in 3D Slicer: is this MR scan good enough, and where is it bad? A research tool, not a medical device."""

import qt
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

import slicer


class MIQA(ScriptedLoadableModule):
    """What Slicer knows of the module; it puts the entry into the subject hierarchy and watches the DICOM browser."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("MR Image Quality (MIQA)")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        parent.dependencies = []
        parent.contributors = ["The MIQA developers"]
        parent.helpText = _(
            "Scores every slice of an MR volume from 0 (worst) to 100 (best) without a reference image, shows where the "
            "quality is lost, names artefacts and gives a verdict. A research tool, not a medical device: do not decide about "
            "a patient by its numbers."
        )
        parent.acknowledgementText = _("The network follows MIQANet (IEEE TCSVT 2026), rebuilt from its description.")
        slicer.app.connect("startupCompleted()", self.startup_completed)

    def startup_completed(self) -> None:
        """Once everything of Slicer is there."""
        from MIQALib.dicom_loading import SETTING, DicomLoading

        self.dicom_loading = DicomLoading(
            slicer.mrmlScene,
            enabled=lambda: qt.QSettings().value(SETTING) == "true",
            score=lambda volumes: slicer.util.getModuleWidget("MIQA").panel.assess_when_free(volumes),
            after=qt.QTimer.singleShot,
        )
        if slicer.app.commandOptions().noMainWindow:
            return
        from MIQALib.MIQASubjectHierarchyPlugin import MIQASubjectHierarchyPlugin

        plugin = slicer.qSlicerSubjectHierarchyScriptedPlugin(None)
        plugin.setPythonSource(MIQASubjectHierarchyPlugin.filePath)


class MIQAWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Puts panel, logic, parameters and slice labels together, and follows the scene."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.parameters = self.gui_tag = None

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        from MIQALib.core_package import load_core

        load_core()
        from MIQALib.application import Application
        from MIQALib.panel import Panel
        from MIQALib.slice_label import SliceLabels

        widget = slicer.util.loadUI(self.resourcePath("UI/MIQA.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = MIQALogic()
        self.labels = SliceLabels(_slice_views)
        self.panel = Panel(qt, self.ui, self.logic.scoring, self.labels, Application(qt))
        self.layout_manager = (
            slicer.app.layoutManager()
        )  # None where Slicer runs without a main window, as its generic tests do
        if self.layout_manager is not None:
            self.layout_manager.connect("layoutChanged(int)", self.layout_changed)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.scene_closes)
        for event in (slicer.mrmlScene.EndCloseEvent, slicer.mrmlScene.EndImportEvent):
            self.addObserver(slicer.mrmlScene, event, self.take_parameters)
        self.take_parameters()

    def assess(self, volumes) -> None:
        """Score these volumes, as if chosen in the panel."""
        self.panel.assess(volumes)

    def cleanup(self):
        if self.layout_manager is not None:
            self.layout_manager.disconnect("layoutChanged(int)", self.layout_changed)
        self.drop_parameters()
        self.removeObservers()
        self.labels.remove()
        self.panel.close()

    def layout_changed(self, *_layout) -> None:
        """Other slice views may be there."""
        self.labels.renew()

    def scene_closes(self, *_event) -> None:
        """Its parameters go with it."""
        self.drop_parameters()
        self.panel.use(None)

    def take_parameters(self, *_event) -> None:
        """Those of the scene, made when it has none; the first volume is chosen when none is."""
        self.drop_parameters()
        self.parameters = self.logic.getParameterNode()
        if self.parameters.inputVolume is None:
            from MIQALib.volumes import volumes_to_score

            self.parameters.inputVolume = next(iter(volumes_to_score(slicer.mrmlScene)), None)
        self.gui_tag = self.parameters.connectGui(self.ui)
        self.addObserver(self.parameters, vtk.vtkCommand.ModifiedEvent, self.parameters_changed)
        self.panel.use(self.parameters)

    def drop_parameters(self) -> None:
        """Listen to them no more."""
        if self.parameters is not None:
            self.parameters.disconnectGui(self.gui_tag)
            self.removeObserver(self.parameters, vtk.vtkCommand.ModifiedEvent, self.parameters_changed)
        self.parameters = None

    def parameters_changed(self, *_event) -> None:
        """By the user, or by a script."""
        self.panel.refresh()


class MIQALogic(ScriptedLoadableModuleLogic):
    """``scoring``: the :class:`MIQALib.logic.ScoringLogic` of Slicer's scene; for scripts, with or without the panel."""

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        from MIQALib.core_package import load_core

        load_core()
        from MIQALib.application import Application
        from MIQALib.logic import ScoringLogic

        folder = slicer.util.tempDirectory("MIQA")
        self.scoring = ScoringLogic(slicer.mrmlScene, Application(qt).make_process, folder)

    def getParameterNode(self):
        from MIQALib.parameters import Parameters

        return Parameters(super().getParameterNode())


def _slice_views():
    """Slice node, composite node, renderer and render call of each slice view of the layout; none without a main window."""
    manager = slicer.app.layoutManager()
    for name in manager.sliceViewNames() if manager is not None else ():
        widget = manager.sliceWidget(name)
        view = widget.sliceView()
        renderer = view.renderWindow().GetRenderers().GetFirstRenderer()
        yield widget.mrmlSliceNode(), widget.mrmlSliceCompositeNode(), renderer, view.scheduleRender


class MIQATest(ScriptedLoadableModuleTest):
    """The whole flow inside Slicer: needs a network for the sample volume, and what scoring needs installed.

    It has not been run yet: no Slicer was at hand. ``Testing/slicer`` runs the rest of this file in a stand-in.
    """

    def setUp(self):
        slicer.mrmlScene.Clear(0)

    def runTest(self):
        self.setUp()
        self.test_score_jump_save_and_load()
        self.setUp()
        self.test_cancel()

    def test_score_jump_save_and_load(self):
        """One volume from Score to a scene that is loaded again."""
        from pathlib import Path

        from MIQALib.result_nodes import CHART, MAP, TABLE, ResultNodes
        from MIQALib.slice_views import shown_slice

        volume, widget = self.start()
        self.wait_until(lambda: not widget.logic.scoring.running, 600)
        nodes = ResultNodes(volume)
        quality, _policy = nodes.load()
        self.assertIsNotNone(quality, widget.ui.statusLabel.text)
        self.assertEqual(len(quality.slices), volume.GetImageData().GetDimensions()[2])
        self.assertEqual(nodes.node(TABLE).GetNumberOfRows(), len(quality.slices))
        self.assertIsNotNone(nodes.node(CHART))
        volume_matrix, map_matrix = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
        volume.GetIJKToRASMatrix(volume_matrix)
        nodes.node(MAP).GetIJKToRASMatrix(map_matrix)
        for row in range(4):
            for column in range(4):
                self.assertAlmostEqual(volume_matrix.GetElement(row, column), map_matrix.GetElement(row, column), 6)

        widget.panel.next_worst()
        worst = min((s for s in quality.slices if s.score is not None), key=lambda s: s.score)
        views = [slicer.app.layoutManager().sliceWidget(name) for name in ("Red", "Yellow", "Green")]
        self.assertIn(worst.index, [shown_slice(view.mrmlSliceNode(), volume) for view in views])

        path = str(Path(slicer.util.tempDirectory("MIQATest")) / "scene.mrb")
        self.assertTrue(slicer.util.saveScene(path))
        slicer.mrmlScene.Clear(0)
        self.assertTrue(slicer.util.loadScene(path))
        again, _policy = ResultNodes(slicer.util.getNode("MRHead")).load()
        self.assertEqual(again.to_dict(), quality.to_dict())

    def test_cancel(self):
        """Nothing runs a second after Cancel."""
        _volume, widget = self.start()
        self.wait_until(lambda: widget.ui.progressBar.value > 0, 600)
        widget.ui.cancelButton.click()
        self.wait_until(lambda: not widget.logic.scoring.running, 1)

    def start(self):
        """Load a sample and press Score."""
        import SampleData

        from MIQALib import install

        if install.missing():  # on the index's test machines nobody has pressed Install
            self.skipTest(f"not installed: {', '.join(install.missing())}")
        volume = SampleData.downloadSample("MRHead")
        slicer.util.selectModule("MIQA")
        widget = slicer.util.getModuleWidget("MIQA")
        widget.parameters.inputVolume = volume
        widget.ui.scoreButton.click()
        self.assertTrue(widget.logic.scoring.running, widget.ui.statusLabel.text)
        return volume, widget

    def wait_until(self, condition, seconds):
        """Let Slicer work meanwhile."""
        import time

        deadline = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            slicer.app.processEvents()
