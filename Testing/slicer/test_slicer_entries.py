"""How scoring is asked for elsewhere in Slicer, and what installing does: with stand-ins for Slicer's own dialogs and pip."""

from __future__ import annotations

import os
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from miqanet_core.series import Geometry, MRSeries
from mrml_samples import add_volume

SERIES = MRSeries(np.zeros((2, 20, 20), np.float32), Geometry(), "x")


class Later:
    """Calls when the test says so."""

    def __init__(self):
        self.calls = []

    def __call__(self, milliseconds, call):
        self.calls.append(call)

    def now(self):
        for call in self.calls:
            call()
        self.calls.clear()


def load_from_dicom(slicer, scene, name):
    node = add_volume(slicer, scene, SERIES, name)
    node.SetAttribute("DICOM.instanceUIDs", "1.2.3")
    return node


def test_series_loaded_from_dicom_are_scored_only_when_asked_for(slicer, scene):
    from MIQALib.dicom_loading import DicomLoading

    later, scored, wanted = Later(), [], {"on": False}
    watch = DicomLoading(scene, lambda: wanted["on"], scored.append, later)
    load_from_dicom(slicer, scene, "before")
    later.now()
    assert scored == []
    wanted["on"] = True
    first, second = (load_from_dicom(slicer, scene, name) for name in ("first", "second"))
    add_volume(slicer, scene, SERIES, "from a file")
    ct = load_from_dicom(slicer, scene, "ct")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    hierarchy.SetItemAttribute(hierarchy.GetItemByDataNode(ct), "DICOM.Modality", "CT")
    removed = load_from_dicom(slicer, scene, "removed")
    scene.RemoveNode(removed)
    later.now()
    assert scored == [[first, second]], "one run for all that came together"
    watch.stop()
    load_from_dicom(slicer, scene, "after")
    later.now()
    assert len(scored) == 1


def test_menu_entry_is_for_volumes_that_can_be_scored(slicer, scene):
    from MIQALib.subject_hierarchy import can_assess

    volume = add_volume(slicer, scene, SERIES)
    assert can_assess(volume)
    volume.SetAttribute("MIQA.of", "vtkMRMLScalarVolumeNode1")
    assert not can_assess(volume), "a quality map"
    assert not can_assess(None)
    assert not can_assess(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"))
    assert not can_assess(scene.AddNewNodeByClass("vtkMRMLTableNode"))


def fake_slicer(answer=True, fail=None):
    asked = []

    def pip_install(requirements):
        asked.append((requirements, os.environ.get("PIP_NO_INDEX"), os.environ.get("PIP_FIND_LINKS")))
        if fail:
            raise RuntimeError(fail)

    util = SimpleNamespace(pip_install=pip_install, confirmOkCancelDisplay=lambda text: answer)
    return SimpleNamespace(util=util, asked=asked)


@pytest.fixture
def pytorch(monkeypatch):
    """The PyTorch extension, whose user may say no."""
    module = ModuleType("PyTorchUtils")
    module.answer = object()
    module.PyTorchUtilsLogic = lambda: SimpleNamespace(installTorch=lambda **_: module.answer)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", module)
    return module


def test_install_asks_pytorchs_extension_then_pip(monkeypatch, pytorch):
    from MIQALib import install

    monkeypatch.setattr(install, "_installed", lambda name: False)
    assert install.missing()[:3] == ["torch", "torchvision", "timm"]
    slicer = fake_slicer()
    install.install(slicer)
    assert [requirements for requirements, *_ in slicer.asked] == [["-r", str(install.REQUIREMENTS)]]
    with pytest.raises(install.InstallationError, match="cancelled"):
        install.install(fake_slicer(answer=False))
    with pytest.raises(install.InstallationError, match="failed: no network"):
        install.install(fake_slicer(fail="no network"))
    pytorch.answer = None
    with pytest.raises(install.InstallationError, match="PyTorch was not installed"):
        install.install(slicer)


def test_install_without_pytorchs_extension_says_where_to_get_it(monkeypatch):
    from MIQALib import install

    monkeypatch.setattr(install, "_installed", lambda name: False)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    with pytest.raises(install.InstallationError, match="Extensions Manager"):
        install.install(fake_slicer())


def test_install_uses_slicers_own_installer_where_there_is_one(monkeypatch):
    from MIQALib import install

    packaging, ensured = ModuleType("slicer.packaging"), []
    packaging.load_requirements = lambda path: path.read_text().count(">=")
    packaging.pip_ensure = lambda requirements, requester: ensured.append((requirements, requester))
    monkeypatch.setitem(sys.modules, "slicer.packaging", packaging)
    monkeypatch.setattr(install, "_installed", lambda name: True)
    slicer = fake_slicer()
    install.install(slicer)
    assert ensured == [(len(install.requirements()), "MIQA")]
    assert slicer.asked == []
    assert install.missing() == []


def test_install_from_a_folder_looks_nowhere_else(tmp_path):
    from MIQALib import install

    slicer = fake_slicer()
    with pytest.raises(install.InstallationError, match="no wheel"):
        install.install_from_folder(slicer, tmp_path)
    (tmp_path / "x.whl").touch()
    install.install_from_folder(slicer, tmp_path)
    ((requirements, no_index, folder),) = slicer.asked
    assert requirements[:3] == ["torch", "torchvision", "timm>=1.0.9"]
    assert (no_index, folder) == ("1", str(tmp_path))
    assert os.environ.get("PIP_FIND_LINKS") != str(tmp_path), "as it was before"


def test_another_python_runs_in_the_environment_from_before_slicer(slicer, monkeypatch, tmp_path):
    from MIQALib.interpreter import choose_interpreter

    monkeypatch.setattr(slicer.util, "startupEnvironment", lambda: {"PATH": "/before"})
    with pytest.raises(FileNotFoundError, match="is not there"):
        choose_interpreter(str(tmp_path / "python"))
    chosen = choose_interpreter(sys.executable)
    assert (chosen.program, chosen.environment) == (sys.executable, {"PATH": "/before"})
    (tmp_path / "PythonSlicer").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    own = choose_interpreter("")
    assert (own.program, own.environment) == (str(tmp_path / "PythonSlicer"), None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match="install Slicer again"):
        choose_interpreter("")
