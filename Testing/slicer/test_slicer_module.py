"""MIQA.py and the menu's plugin as Slicer runs them: the application around them is stood in for, the scene is real."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import psutil
import pytest

pytest.importorskip("PySide6.QtUiTools", reason="PySide6 is absent: pip install PySide6-Essentials")
from PySide6 import QtWidgets

from miqanet_core import read_series
from mrml_samples import MODULE, add_volume
from panel_window import load_window, qt_namespace


class Base:
    """For each of Slicer's base classes of scripted modules."""

    def __init__(self, parent=None):
        self.parent, self.layout = parent, QtWidgets.QVBoxLayout()
        super().__init__()

    def setup(self):
        """Slicer adds its developer's buttons here."""

    def resourcePath(self, name):  # noqa: N802 - Slicer's name
        path = MODULE / "Resources" / name
        assert path.is_file()
        return str(path)

    def getParameterNode(self):  # noqa: N802
        return None


class Signals:
    """What connects and disconnects as PythonQt does; the layout has no slice views."""

    def __init__(self):
        self.slots = {}

    def connect(self, signal, slot):
        self.slots[signal] = slot

    def disconnect(self, signal, slot):
        assert self.slots.pop(signal) == slot

    def sliceViewNames(self):  # noqa: N802
        return []


class Settings:
    """QSettings of a user who has chosen this Python."""

    kept = {"MIQA/Python": sys.executable}

    def value(self, name):
        return self.kept.get(name)


class Action(Signals):
    """A QAction."""

    def __init__(self, text, parent):
        super().__init__()
        self.text, self.visible = text, True


@pytest.fixture
def application(slicer, scene, qapp, monkeypatch, tmp_path):
    """Slicer's application, as far as the module asks for it; ``widgets``: the module's own, by name."""
    qt = ModuleType("qt")
    vars(qt).update(vars(qt_namespace()), QSettings=Settings, QAction=Action)
    base = ModuleType("slicer.ScriptedLoadableModule")
    for name in ("", "Widget", "Logic", "Test"):
        setattr(base, f"ScriptedLoadableModule{name}", type(f"ScriptedLoadableModule{name}", (Base,), {}))
    plugin = ModuleType("AbstractScriptedSubjectHierarchyPlugin")
    plugin.AbstractScriptedSubjectHierarchyPlugin = Base
    for module in (qt, base, plugin):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    for name in ("MIQA", "MIQALib.MIQASubjectHierarchyPlugin"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    app, layout, loaded = Signals(), Signals(), {}
    app.layoutManager = lambda: layout
    app.commandOptions = lambda: SimpleNamespace(noMainWindow=True)

    def load_ui(path):
        window, loaded["ui"] = load_window()
        return window

    monkeypatch.setattr(slicer, "app", app, raising=False)
    monkeypatch.setattr(slicer, "mrmlScene", scene, raising=False)
    for name, does in (
        ("loadUI", load_ui),
        ("childWidgetVariables", lambda widget: loaded["ui"]),
        ("tempDirectory", lambda key: str(tmp_path / key)),
        ("startupEnvironment", lambda: None),
        ("selectModule", lambda name: None),
        ("getModuleWidget", lambda name: app.widgets[name]),
    ):
        monkeypatch.setattr(slicer.util, name, does, raising=False)
    app.widgets, app.layout = {}, layout
    return app


def test_slicer_starts_with_the_module(application):
    from MIQA import MIQA

    parent = SimpleNamespace()
    module = MIQA(parent)
    assert parent.categories == ["Quantification"]
    assert "not a medical device" in parent.helpText
    application.slots["startupCompleted()"]()
    module.dicom_loading.stop()


def test_the_widget_scores_and_ends_with_the_scene_and_with_slicer(application, slicer, scene, shared, tmp_path):
    from MIQA import MIQAWidget

    volume = add_volume(slicer, scene, read_series(shared / "data" / "mri" / "dicom_GE_fMRI_nih"))
    widget = MIQAWidget()
    widget.setup()
    assert widget.parameters.inputVolume is volume, "the first volume is chosen"
    widget.assess([volume])
    assert widget.logic.scoring.running, widget.ui.statusLabel.text()
    process = widget.logic.scoring._process._process
    assert process.waitForStarted(60000)
    worker = psutil.Process(process.processId())
    first = widget.parameters
    scene.Clear(True)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
    assert not widget.logic.scoring.running
    assert widget.parameters is not first, "those of the new scene"
    assert widget.parameters.inputVolume is None
    assert widget.ui.verdictLabel.text() == "Choose a volume."
    widget.parameters.inputVolume = add_volume(slicer, scene, read_series(shared / "data" / "mri" / "dicom_GE_fMRI_nih"))
    assert widget.ui.verdictLabel.text() == "No result yet.", "the panel hears of it"
    application.layout.slots["layoutChanged(int)"](3)
    widget.cleanup()
    assert widget.Observations == []
    assert application.layout.slots == {}
    assert not (tmp_path / "MIQA").exists()


def test_without_a_main_window_the_widget_comes_and_goes_as_well(application):
    from MIQA import MIQAWidget

    application.layoutManager = lambda: None
    widget = MIQAWidget()
    widget.setup()
    assert widget.ui.verdictLabel.text() == "Choose a volume."
    widget.cleanup()


def test_the_menu_entry_hands_the_volume_over(application, slicer, scene, shared, monkeypatch):
    from MIQALib.MIQASubjectHierarchyPlugin import MIQASubjectHierarchyPlugin

    volume = add_volume(slicer, scene, read_series(shared / "data" / "mri" / "dicom_GE_fMRI_nih"))
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(volume)
    handler = SimpleNamespace(instance=lambda: SimpleNamespace(currentItem=lambda: item))
    monkeypatch.setattr(slicer, "qSlicerSubjectHierarchyPluginHandler", handler, raising=False)
    handed = []
    application.widgets["MIQA"] = SimpleNamespace(assess=handed.append)
    plugin = MIQASubjectHierarchyPlugin(SimpleNamespace())
    (action,) = plugin.itemContextMenuActions()
    assert action.text == "Assess image quality"
    for shown, expected in ((item, True), (hierarchy.GetItemParent(item), False), (0, False)):
        plugin.showContextMenuActionsForItem(shown)
        assert action.visible is expected
    action.slots["triggered()"]()
    assert handed == [[volume]]
