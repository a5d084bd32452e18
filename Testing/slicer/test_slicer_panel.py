"""The panel in PySide6, off screen: the real .ui, the real panel and logic; ctk's and MRML's widgets are stood in for."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("PySide6.QtUiTools", reason="PySide6 is absent: pip install PySide6-Essentials")
from miqanet_core import read_series
from miqanet_core.policy import Policy
from mrml_samples import MODULE, REPOSITORY, add_volume, overlay_file, quality_of
from panel_window import load_window, qt_namespace
from slice_view import SliceView

SCORES = [12.0, 35.0, 55.0, 62.0, 75.0, 88.0, 95.0, None]


class FakeProcess:
    """What a test makes of the scoring process: it says what the test wants said."""

    def __init__(self, on_event, on_end):
        self.event, self.end = on_event, on_end
        self.arguments, self.cancelled = [], False

    def start(self, arguments):
        self.arguments = [str(argument) for argument in arguments]

    def cancel(self):
        from MIQALib.process import Ending

        self.cancelled = True
        self.end(Ending(None, cancelled=True))

    def end_now(self):
        self.cancelled = True


class FakeApplication:
    """Slicer's dialogs, settings and clipboard."""

    def __init__(self):
        self.settings, self.copied, self.answer, self.chart, self.process = {}, "", "", None, None
        self.files, self.imported = {}, None

    def setting(self, name):
        return self.settings.get(name, "")

    def set_setting(self, name, value):
        self.settings[name] = value

    def python_is_chosen(self):
        return True

    def make_process(self, on_event, on_end):
        self.process = FakeProcess(on_event, on_end)
        return self.process

    def ask_new_file(self, title, name, kinds):
        return self.answer

    ask_file = ask_new_file

    def dicom_files(self, instance_uids):
        return [self.files[uid] for uid in instance_uids if uid in self.files]

    def import_dicom(self, folder):
        self.imported = sorted(path.name for path in folder.iterdir())
        return True

    def copy(self, text):
        self.copied = text

    def show_chart(self, chart):
        self.chart = chart


@pytest.fixture
def series(shared):
    return read_series(shared / "data" / "mri" / "pelvis_prostate_PX0000_T2tra")


@pytest.fixture
def panel(slicer, scene, qapp, tmp_path, monkeypatch, series):
    from MIQALib.logic import ScoringLogic
    from MIQALib.panel import Panel
    from MIQALib.parameters import Parameters
    from MIQALib.slice_label import SliceLabels

    monkeypatch.setattr(slicer, "mrmlScene", scene, raising=False)
    window, ui = load_window()
    view = SliceView(slicer, scene)
    labels = SliceLabels(lambda: [(view.slice_node, view.composite_node, view.renderer, view.render)])
    app = FakeApplication()
    logic = ScoringLogic(scene, lambda *calls: app.make_process(*calls), tmp_path / "work")
    panel = Panel(qt_namespace(), ui, logic, labels, app)
    panel.window, panel.view, panel.app = window, view, app
    parameters = Parameters()
    parameters.inputVolume = add_volume(slicer, scene, series)
    parameters.on_change = panel.refresh
    panel.use(parameters)
    yield panel
    panel.close()
    labels.remove()


def finish(panel, series, tmp_path, scores=SCORES, volume=None):
    """Let the process deliver a result."""
    from MIQALib.process import Ending

    process = panel.app.process
    source = process.arguments[1]
    out = tmp_path / "work" / "out"
    out.mkdir(parents=True, exist_ok=True)
    quality = quality_of(series, scores)
    (out / "x.json").write_text(quality.to_json(), encoding="utf-8")
    (out / "x.html").write_text("<p>report", encoding="utf-8")
    overlay_file(out, series, quality).rename(out / "x.nii.gz")
    process.event({"event": "start", "slices": 8, "series": 0, "source": source})
    for index, score in enumerate(scores):
        process.event({"event": "slice", "index": index, "score": score, "series": 0})
    process.event({"event": "done", "result": str(out / "x.json"), "series": 0})
    process.end(Ending(0))
    return quality


def column(panel, number):
    table = panel.ui.sliceTable
    return [table.item(row, number).text() for row in range(table.rowCount())]


def test_score_shows_progress_then_the_result(panel, series, tmp_path):
    ui = panel.ui
    assert ui.verdictLabel.text() == "No result yet."
    assert ui.scoreButton.isEnabled()
    ui.scoreButton.click()
    assert (ui.scoreButton.isEnabled(), ui.cancelButton.isEnabled()) == (False, True)
    process = panel.app.process
    assert process.arguments[0] == "score"
    assert process.arguments[2:8:2] == ["--out", "--progress", "--policy"]
    process.event({"event": "start", "slices": 8, "series": 0, "source": process.arguments[1]})
    process.event({"event": "slice", "index": 2, "score": 55.0, "series": 0})
    assert (ui.progressBar.value(), ui.progressBar.maximum()) == (3, 8)
    assert ui.statusLabel.text().startswith("Scored 3 of 8 slices. Provisional")
    finish(panel, series, tmp_path)
    assert (ui.scoreButton.isEnabled(), ui.cancelButton.isEnabled()) == (True, False)
    assert "! Limited" in ui.verdictLabel.text()
    assert "60.2 / 100" in ui.verdictLabel.text()
    assert "50.2 to 68.2 in 90 % of cases" in ui.verdictLabel.text()
    assert "Ghosting in 2 of 7 slices" in ui.reasonsLabel.text()
    assert "Low confidence" in ui.reasonsLabel.text()
    assert column(panel, 0) == ["1", "2", "3", "4", "5", "6", "7", "8"], "worst first, what was not scored last"
    assert column(panel, 2)[:3] == ["▲ flagged", "▲ flagged", ""]
    assert ui.colorSelector.node.GetName() == "MIQA quality"


def test_clicking_a_heading_sorts_and_again_turns_round(panel, series, tmp_path):
    panel.ui.scoreButton.click()
    finish(panel, series, tmp_path, [9.0, 100.0, 55.0, None, 75.0, 10.0, 95.0, 60.0])
    assert column(panel, 1) == ["9.0", "10.0", "55.0", "60.0", "75.0", "95.0", "100.0", ""]
    header = panel.ui.sliceTable.horizontalHeader()
    header.sectionClicked.emit(1)
    assert column(panel, 1) == ["100.0", "95.0", "75.0", "60.0", "55.0", "10.0", "9.0", ""]
    header.sectionClicked.emit(0)
    assert column(panel, 0) == ["1", "2", "3", "4", "5", "6", "7", "8"]
    panel.ui.sliceTable.selectRow(4)
    panel.ui.nextWorstButton.click()
    assert panel.ui.sliceTable.currentRow() == 6, "slice 7 is just better than slice 5"


def test_selecting_a_row_and_next_worst_jump_there(panel, series, tmp_path):
    from MIQALib.slice_views import shown_slice

    panel.ui.scoreButton.click()
    finish(panel, series, tmp_path, [75.0, 62.0, 12.0, 55.0, 88.0, 35.0, 95.0, None])
    volume = panel.parameters.inputVolume
    panel.ui.sliceTable.selectRow(3)
    assert shown_slice(panel.view.slice_node, volume) == 1
    assert panel._labels._labels[0].actor.GetInput() == "MIQA, slice 2: 62.0"
    seen = []
    panel.use(panel.parameters)
    panel._last_worst = None
    for _ in range(8):
        panel.ui.nextWorstButton.click()
        seen.append(shown_slice(panel.view.slice_node, volume))
    assert seen == [2, 5, 3, 1, 0, 4, 6, 2], "worst first, then round again"


def test_thresholds_judge_the_same_scores_anew(panel, series, tmp_path):
    from MIQALib.result_nodes import ResultNodes

    panel.ui.scoreButton.click()
    finish(panel, series, tmp_path)
    assert panel.ui.exportHtmlButton.isEnabled()
    panel.parameters.sliceFlag = 10.0
    assert not panel.ui.exportHtmlButton.isEnabled(), "the report tells other flags than the panel"
    assert column(panel, 2)[0] == ""
    assert "✓ Diagnostic" in panel.ui.verdictLabel.text()
    quality, policy = ResultNodes(panel.parameters.inputVolume).load()
    assert policy == Policy(10, 60, 40, 0.1, 0.5)
    assert [s.score for s in quality.slices] == SCORES
    panel.parameters.nonDiagnostic = 70.0
    assert "contradict" in panel.ui.statusLabel.text()
    assert ResultNodes(panel.parameters.inputVolume).load()[1] == policy


def test_another_colour_table_and_opacity_reach_the_map_and_a_second_run_keeps_them(panel, slicer, scene, series, tmp_path):
    from MIQALib.result_nodes import MAP, ResultNodes

    panel.ui.scoreButton.click()
    finish(panel, series, tmp_path)
    grey = scene.AddNewNodeByClass("vtkMRMLColorTableNode", "my grey")
    panel.ui.colorSelector.setCurrentNode(grey)
    panel.parameters.opacity = 0.7
    for _ in range(2):
        map_node = ResultNodes(panel.parameters.inputVolume).node(MAP)
        assert map_node.GetDisplayNode().GetColorNode() is grey
        assert panel.ui.colorSelector.node is grey
        assert panel.view.composite_node.GetForegroundVolumeID() == map_node.GetID()
        assert panel.view.composite_node.GetForegroundOpacity() == 0.7
        panel.ui.scoreButton.click()
        finish(panel, series, tmp_path)


def test_settings_reach_the_process(panel):
    panel.parameters.model, panel.parameters.precision = "my weights.safetensors", "fp32"
    panel._show_devices([{"name": "cuda:1", "description": "ACME", "free_bytes": 3 << 30, "total_bytes": 4 << 30},
                         {"name": "cpu", "description": "CPU", "free_bytes": None, "total_bytes": None}])  # fmt: skip
    box = panel.ui.deviceComboBox
    assert [box.itemText(n) for n in range(box.count())] == ["automatic", "ACME (cuda:1), 3.0 of 4.0 GB free", "CPU (cpu)"]
    box.setCurrentIndex(1)
    panel.ui.scoreButton.click()
    options = panel.app.process.arguments
    assert [options[options.index(o) + 1] for o in ("--model", "--device", "--precision")] == [
        "my weights.safetensors", "cuda:1", "fp32",
    ]  # fmt: skip


def test_cancel_and_failures_are_said(panel, series, tmp_path):
    from MIQALib.process import Ending

    panel.ui.scoreButton.click()
    panel.ui.cancelButton.click()
    assert panel.ui.statusLabel.text() == "Cancelled. What was scored before stays."
    assert panel.ui.scoreButton.isEnabled()
    panel.ui.scoreButton.click()
    panel.app.process.event({"event": "error", "message": "not enough memory on cuda:0", "kind": "memory", "source": ""})
    panel.app.process.end(Ending(1))
    assert panel.ui.statusLabel.text().startswith("not enough memory on cuda:0. Choose the CPU as device")
    panel.ui.scoreButton.click()
    source = panel.app.process.arguments[1]
    panel.app.process.event({"event": "error", "message": f"{source}: is constant; x", "kind": "input", "source": source})
    assert panel.ui.statusLabel.text() == "t2_tse_ax: is constant; x", "the volume's name, not that of a temporary file"


def test_all_volumes_are_scored_in_one_run(panel, slicer, scene, series, tmp_path):
    from MIQALib.parameters import Scope
    from MIQALib.process import Ending
    from MIQALib.result_nodes import ResultNodes

    second = add_volume(slicer, scene, series, "second")
    panel.parameters.scope = Scope.ALL
    panel.ui.scoreButton.click()
    assert [a.rsplit("/", 1)[1] for a in panel.app.process.arguments[1:3]] == ["t2_tse_ax.nrrd", "second.nrrd"]
    process, other = panel.app.process, panel.app.process.arguments[2]
    process.event({"event": "start", "slices": 8, "series": 0, "source": other})
    assert ResultNodes(second).load() == (None, None)
    process.end(Ending(0))
    finish(panel, series, tmp_path)
    assert ResultNodes(second).load() == (None, None)
    assert ResultNodes(panel.parameters.inputVolume).load()[0] is not None


def test_series_that_come_while_one_is_scored_wait_their_turn(panel, slicer, scene, series, tmp_path):
    panel.ui.scoreButton.click()
    first = panel.app.process
    later = [add_volume(slicer, scene, series, name) for name in ("second", "third")]
    for volume in later:
        panel.assess_when_free([volume])
    assert panel.app.process is first
    finish(panel, series, tmp_path)
    assert [a.rsplit("/", 1)[1] for a in panel.app.process.arguments[1:3]] == ["second.nrrd", "third.nrrd"]
    panel.ui.cancelButton.click()


def test_exports(panel, series, tmp_path):
    from MIQALib.result_nodes import CHART, ResultNodes

    ui = panel.ui
    assert not any(button.isEnabled() for button in (ui.exportCsvButton, ui.exportHtmlButton, ui.copyButton, ui.plotButton))
    ui.scoreButton.click()
    finish(panel, series, tmp_path)
    panel.app.answer = str(tmp_path / "ä.csv")
    ui.exportCsvButton.click()
    rows = (tmp_path / "ä.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 9 and rows[1].startswith("t2_tse_tra,1,12.0000,1")
    panel.app.answer = str(tmp_path / "r.html")
    ui.exportHtmlButton.click()
    assert (tmp_path / "r.html").read_text() == "<p>report"
    panel.app.answer = str(tmp_path / "absent" / "r.html")
    ui.exportHtmlButton.click()
    assert "could not be written" in ui.statusLabel.text()
    ui.copyButton.click()
    assert "Limited, 60.2 / 100" in panel.app.copied
    ui.plotButton.click()
    assert panel.app.chart is ResultNodes(panel.parameters.inputVolume).node(CHART)


def test_dicom_objects_are_written_by_the_process_and_imported(panel, series, tmp_path):
    from pathlib import Path

    from MIQALib.process import Ending

    ui, volume = panel.ui, panel.parameters.inputVolume
    ui.scoreButton.click()
    finish(panel, series, tmp_path)
    assert not ui.exportDicomButton.isEnabled(), "not loaded from DICOM"
    volume.SetAttribute("DICOM.instanceUIDs", "1.2.1 1.2.2")
    panel.refresh()
    ui.exportDicomButton.click()
    assert "no longer in Slicer's DICOM database" in ui.statusLabel.text()
    panel.app.files = dict(zip(["1.2.1", "1.2.2"], series.sources, strict=False))
    ui.exportDicomButton.click()
    process = panel.app.process
    inputs, objects = Path(process.arguments[1]), Path(process.arguments[process.arguments.index("--dicom") + 1])
    assert [path.read_bytes() for path in sorted(inputs.iterdir())] == [path.read_bytes() for path in series.sources[:2]]
    assert not ui.exportDicomButton.isEnabled()
    objects.mkdir()
    (objects / "report.dcm").write_bytes(b"x")
    process.end(Ending(0))
    assert panel.app.imported == ["report.dcm"]
    assert not inputs.exists()
    assert ui.exportDicomButton.isEnabled()
    ui.exportDicomButton.click()
    panel.app.process.end(Ending(0))
    assert ui.statusLabel.text() == "No DICOM object was written"


def test_another_volume_and_a_closed_scene(panel, slicer, scene, series, tmp_path):
    panel.ui.scoreButton.click()
    finish(panel, series, tmp_path)
    first = panel.parameters.inputVolume
    panel.parameters.inputVolume = add_volume(slicer, scene, series, "other")
    assert panel.ui.verdictLabel.text() == "No result yet."
    panel.parameters.inputVolume = first
    assert "60.2" in panel.ui.verdictLabel.text()
    panel.ui.scoreButton.click()
    panel.use(None)
    scene.Clear(True)
    assert panel.app.process.cancelled
    assert not panel.ui.scoreButton.isEnabled()


def test_every_object_that_the_code_names_is_in_the_ui(qapp):
    _, ui = load_window()
    code = "\n".join(path.read_text(encoding="utf-8") for path in [*MODULE.glob("*.py"), *MODULE.glob("MIQALib/*.py")])
    named = set(re.findall(r"\bui\.(\w+)", code)) - {"MIQALib"}
    assert len(named) == 26
    assert {name for name in named if not hasattr(ui, name)} == set()


def test_every_parameter_of_the_ui_exists_and_its_defaults_are_the_policys():
    from MIQALib.parameters import Parameters, settings_of

    text = (MODULE / "Resources/UI/MIQA.ui").read_text(encoding="utf-8")
    named = re.findall(r'SlicerParameterName" stdset="0">\s*<string>(\w+)', text)
    assert sorted(named) == sorted(
        ["inputVolume", "scope", "model", "precision", "sliceFlag", "diagnostic", "nonDiagnostic", "opacity"]
    )
    parameters = Parameters()
    assert all(hasattr(parameters, name) for name in named)
    assert settings_of(parameters).policy() == Policy.default()
    assert (REPOSITORY / "miqanet_core" / "policy.toml").is_file()
