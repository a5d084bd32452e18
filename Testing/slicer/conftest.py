"""Real MRML in plain Python (slicer-core), Qt by PySide6, and stand-ins for what only the application has.

The application's own Python modules (``slicer.i18n``, ``slicer.ScriptedLoadableModule`` ...) are not in the wheel.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

import parameter_node_stand_in

HERE = Path(__file__).resolve().parent
REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = REPOSITORY / "MIQASlicerExtension" / "MIQA"

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(scope="session", autouse=True)
def slicer():
    """The package slicer-core under the name that modules import, with a stand-in for its translation."""
    with pytest.MonkeyPatch.context() as patch:
        # slicer-core takes each folder called slicer on the path for a part of itself, and this one is called so.
        patch.setattr(sys, "path", [entry for entry in sys.path if Path(entry, "slicer").resolve() != HERE])
        slicer = pytest.importorskip("slicer", reason="slicer-core is absent: pip install slicer-core==5.12.4.0")
    i18n = ModuleType("slicer.i18n")
    i18n.tr = lambda text: text  # type: ignore[attr-defined]
    i18n.translate = lambda context, text: text  # type: ignore[attr-defined]
    sys.modules["slicer.i18n"] = i18n
    sys.modules["slicer.parameterNodeWrapper"] = parameter_node_stand_in.module
    if str(MODULE) not in sys.path:
        sys.path.insert(0, str(MODULE))
    from MIQALib.core_package import load_core

    load_core()
    return slicer


@pytest.fixture
def scene(slicer):
    """An empty scene that knows what Slicer's application logic teaches it: colours, legends, sequences, slice views."""
    scene = slicer.vtkMRMLScene()
    logics = [slicer.vtkSlicerColorLogic(), slicer.vtkSlicerSequencesLogic(), slicer.vtkSlicerApplicationLogic()]
    for logic in logics:
        logic.SetMRMLScene(scene)
    slicer.vtkMRMLSubjectHierarchyNode.ResolveSubjectHierarchy(scene)
    scene.logics = logics  # they live as long as the scene
    yield scene
    scene.Clear(True)
