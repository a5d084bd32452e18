"""The scoring process for real: worker.py under Qt's QProcess, driven by the module's logic."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pydicom
import pytest

from miqanet_core import read_series
from mrml_samples import add_volume

QtCore = pytest.importorskip("PySide6.QtCore", reason="PySide6 is absent: pip install PySide6-Essentials")

WORKER = Path(__file__).resolve().parents[2] / "MIQASlicerExtension/MIQA/MIQALib/worker.py"
# The library's own copies of this checkout: the worker finds the package by itself.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def application():
    return QtCore.QCoreApplication.instance() or QtCore.QCoreApplication([])


class Recorder:
    """Listens to the logic; ``at`` is called with the first progress."""

    def __init__(self):
        self.told, self.failures, self.cancelled, self.at = [], [], None, lambda: None

    def started(self):
        self.told.append("started")

    def progressed(self, progress):
        self.told.append(progress)
        self.at()
        self.at = lambda: None

    def scored(self, volume):
        self.told.append(volume.GetName())

    def failed(self, message):
        self.failures.append(message)

    def ended(self, cancelled):
        self.cancelled = cancelled


class Run:
    """A scene's logic with a real process."""

    def __init__(self, scene, folder, program=sys.executable):
        from MIQALib.logic import ScoringLogic
        from MIQALib.process import WorkerProcess

        self.recorder, self.process = Recorder(), None

        def make_process(on_event, on_end):
            self.process = WorkerProcess(QtCore, program, ENVIRONMENT, on_event, on_end)
            return self.process

        self.logic = ScoringLogic(scene, make_process, folder, self.recorder)

    def until_end(self):
        wait_until(lambda: self.recorder.cancelled is not None)

    def processes(self):
        """The worker and all of its descendants."""
        worker = psutil.Process(self.process._process.processId())
        return [worker, *worker.children(recursive=True)]


def wait_until(condition, seconds=240) -> None:
    """Run Qt's event loop until ``condition()``.

    One call of exec, not many of processEvents: in PySide6 6.12 each call that returns None takes a reference to it too many,
    and some thousands of them end the interpreter.
    """
    loop, timer, deadline = QtCore.QEventLoop(), QtCore.QTimer(), time.monotonic() + seconds
    timer.timeout.connect(lambda: loop.quit() if condition() or time.monotonic() > deadline else None)
    timer.start(10)
    loop.exec()
    timer.stop()
    assert condition(), f"not within {seconds} s"


def alive(process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it ended between the two questions
        return False


def gone(processes, seconds=1) -> bool:
    """Whether all have ended. SIGKILL goes to a whole group at once, but each member ends when it next gets a processor."""
    deadline = time.monotonic() + seconds
    while any(map(alive, processes)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def run(scene, tmp_path, application):
    run = Run(scene, tmp_path / "für Ärzte 脳")
    yield run
    run.logic.close()


@pytest.fixture
def volume(slicer, scene, shared):
    series = read_series(shared / "data" / "mri" / "pelvis_prostate_PX0000_T2tra")
    return add_volume(slicer, scene, series, "5: t2_tse für Ärzte 脳")


def test_a_volume_is_scored_from_scene_to_scene(run, volume, application, tmp_path, slicer):
    from MIQALib.result_nodes import MAP, ResultNodes
    from MIQALib.settings import Settings

    run.logic.start([volume], Settings(device="cpu", slice_flag=45))
    assert run.logic.running
    with pytest.raises(ValueError, match="already"):
        run.logic.start([volume], Settings())
    run.until_end()
    recorder = run.recorder
    assert recorder.failures == []
    assert recorder.cancelled is False
    assert recorder.told[0] == "started"
    assert recorder.told[-1] == volume.GetName()
    assert [(p.number, p.count, p.done, p.total) for p in recorder.told[1:-1]] == [(1, 1, done, 8) for done in range(9)]

    quality, policy = ResultNodes(volume).load()
    assert (len(quality.slices), policy.slice_flag, policy.diagnostic) == (8, 45, 60)
    assert [s.score for s in quality.slices] == [pytest.approx(p.score) for p in recorder.told[2:-1]]
    assert quality.series["description"] == "5_ t2_tse für Ärzte 脳"
    shown = slicer.util.arrayFromVolume(ResultNodes(volume).node(MAP))
    for image, s in zip(shown, quality.slices, strict=True):
        assert image[image > 0].min() > 0 if s.score is not None else image.max() == 0
    assert run.logic.reports[volume.GetID()][0].is_file()
    assert not list((tmp_path / "für Ärzte 脳").rglob("*.nrrd")), "the voxels do not stay on the disk"
    run.logic.close()
    assert not (tmp_path / "für Ärzte 脳").exists()


def test_cancel_ends_everything_within_a_second(run, volume, application):
    from MIQALib.result_nodes import RESULT, ResultNodes
    from MIQALib.settings import Settings

    seen = {}

    def cancel():
        seen["processes"], seen["at"] = run.processes(), time.monotonic()
        run.logic.cancel()

    run.recorder.at = cancel
    run.logic.start([volume], Settings(device="cpu"))
    run.until_end()
    assert time.monotonic() - seen["at"] < 1
    assert run.recorder.cancelled is True
    assert run.recorder.failures == []
    assert gone(seen["processes"])
    assert not run.logic.running
    assert ResultNodes(volume).node(RESULT) is None


def test_closing_the_scene_leaves_no_orphan_and_no_node(run, scene, volume, application):
    from MIQALib.settings import Settings

    seen = {}
    run.recorder.at = lambda: seen.update(processes=run.processes())
    run.logic.start([volume], Settings(device="cpu"))
    wait_until(lambda: seen)
    scene.Clear(True)
    assert gone(seen["processes"])
    assert run.recorder.cancelled is True
    assert run.recorder.failures == []
    assert not list(scene.GetNodesByClass("vtkMRMLScalarVolumeNode"))


def test_a_worker_that_the_system_kills_is_reported_with_the_cure(run, volume, application):
    from MIQALib.settings import Settings

    run.logic.start([volume], Settings(device="cpu"))
    wait_until(lambda: run.process.running and run.process._pid)
    os.kill(run.process._pid, signal.SIGKILL)
    run.until_end()
    (message,) = run.recorder.failures
    assert "memory ran out" in message and "Choose another device" in message
    assert run.recorder.cancelled is False


def test_a_python_that_is_not_there_is_reported(scene, volume, application, tmp_path):
    from MIQALib.settings import Settings

    run = Run(scene, tmp_path / "x", tmp_path / "absent")
    run.logic.start([volume], Settings())
    run.until_end()
    assert run.recorder.failures == [
        "The scoring process could not be started. Check the Python that is chosen under Installation."
    ]


def test_a_python_without_the_library_says_what_to_do(scene, volume, application, tmp_path):
    from MIQALib.settings import Settings

    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {Path(sys.executable).resolve()} -S -I "$@"\n')
    bare.chmod(0o755)
    run = Run(scene, tmp_path / "x", bare)
    run.logic.start([volume], Settings())
    run.until_end()
    assert run.recorder.failures == ["What MIQA needs is not installed. Press Install under Installation."]


def real_process(on_event, on_end):
    from MIQALib.process import WorkerProcess

    return WorkerProcess(QtCore, sys.executable, ENVIRONMENT, on_event, on_end)


def test_objects_for_the_archive_are_made_of_the_volumes_files(application, shared, tmp_path):
    from MIQALib.dicom_export import DicomExport
    from MIQALib.settings import Settings

    files = sorted((shared / "data" / "mri" / "pelvis_prostate_PX0000_T2sag").iterdir())
    ended = []
    export = DicomExport(real_process, tmp_path / "für Ärzte 脳", lambda *answer: ended.append(answer))
    export.start(files, Settings(device="cpu", slice_flag=100, diagnostic=100))  # flagged, whatever it scores
    wait_until(lambda: ended)
    ((objects, message),) = ended
    assert message is None
    made = {path.name.split(".")[-2]: pydicom.dcmread(path) for path in objects.iterdir()}
    source = pydicom.dcmread(files[0], stop_before_pixels=True)
    assert sorted(made) == ["flag", "montage", "report"]
    assert [made[kind].SOPClassUID.name for kind in ("report", "flag")] == [
        "Comprehensive SR Storage", "Key Object Selection Document Storage",
    ]  # fmt: skip
    for dataset in made.values():
        assert (dataset.StudyInstanceUID, dataset.PatientID) == (source.StudyInstanceUID, source.PatientID)
    assert not (tmp_path / "für Ärzte 脳" / "inputs").exists()


def test_this_machines_devices_are_listed(application):
    from MIQALib.devices import DeviceList, device_label

    answers = []
    devices = DeviceList(real_process, answers.append)
    devices.ask()
    wait_until(lambda: answers)
    assert answers[0][-1]["name"] == "cpu"
    assert all(device["name"] in device_label(device) for device in answers[0])


def test_each_kind_of_error_has_its_cure():
    from MIQALib.messages import of_error

    said = {kind: of_error({"message": "x", "kind": kind}) for kind in ("input", "memory", "setting", "internal")}
    assert said["input"] == "x", "the readers name their own"
    assert said["memory"].startswith("x. Choose the CPU")
    assert said["setting"] == "x. Choose another model, device or precision."
    assert said["internal"].startswith("x. Please report it")


def worker_events(*arguments, prefix=(), **options):
    command = [*prefix, sys.executable, str(WORKER), *map(str, arguments)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, **options
    )
    try:
        lines = [json.loads(line) for line in process.stdout]
        return process.wait(60), lines
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()


def test_unreadable_inputs_are_told_one_by_one(tmp_path):
    text, cut = tmp_path / "ä.nrrd", tmp_path / "cut.nii.gz"
    text.write_text("no image")
    cut.write_bytes(b"\x1f\x8b\x08\x00" + bytes(40))
    status, events = worker_events("score", text, cut, "--progress", "jsonl", "--out", tmp_path / "o")
    assert status == 1
    assert events[0]["event"] == "process"
    assert [(e["event"], e["source"], e["kind"]) for e in events[1:]] == [("error", str(f), "input") for f in (text, cut)]


@pytest.mark.skipif(sys.platform == "win32", reason="ulimit")
def test_too_little_memory_is_told_as_such(tmp_path):
    huge = tmp_path / "huge.nrrd"
    header = "NRRD0004\ntype: float\ndimension: 3\nsizes: 1500 1500 800\nendian: little\nencoding: raw\n"
    header += "space: left-posterior-superior\nspace directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\n\n"
    huge.write_text(header)
    with huge.open("r+b") as file:
        file.truncate(len(header) + 4 * 1500 * 1500 * 800)  # a hole: takes no room on the disk
    limit = ["/bin/sh", "-c", 'ulimit -v 6000000; exec "$@"', "limited"]
    status, events = worker_events("score", huge, "--progress", "jsonl", "--out", tmp_path / "o", prefix=limit)
    assert status == 1
    assert [(e["event"], e.get("kind")) for e in events[1:]] == [("error", "memory")]


def test_the_worker_ends_with_its_front_end(tmp_path):
    """As when Slicer crashes: nobody is left to cancel, the pipe just closes."""
    script = tmp_path / "slow.py"
    script.write_text(
        f"import sys, time, subprocess; sys.path.insert(0, {str(WORKER.parent)!r})\n"
        "import worker, core_package\n"
        "core_package.load_core = lambda: (subprocess.Popen(['sleep', '60']), time.sleep(60))\n"
        "worker.main()\n"
    )
    process = subprocess.Popen([sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    pid = json.loads(process.stdout.readline())["pid"]
    deadline = time.monotonic() + 20
    while not (children := psutil.Process(pid).children()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.stdin.close()
    assert process.wait(5) == -signal.SIGKILL
    assert gone(children)
    process.stdout.close()


def test_thresholds_that_contradict_each_other_start_nothing(run, volume):
    from MIQALib.settings import Settings

    with pytest.raises(ValueError, match="above diagnostic"):
        run.logic.start([volume], Settings(diagnostic=30, non_diagnostic=60))
    assert not run.logic.running


def test_what_cannot_be_scored_starts_nothing(slicer, scene, run, volume):
    from MIQALib.settings import Settings
    from MIQALib.volumes import UnfitVolume, volumes_to_score

    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    slicer.util.updateVolumeFromArray(labels, np.zeros((2, 20, 20), np.int16))
    ct = add_volume(slicer, scene, read_nothing(), "ct")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    hierarchy.SetItemAttribute(hierarchy.GetItemByDataNode(ct), "DICOM.Modality", "CT")
    for unfit, reason in ((empty, "no voxels"), (labels, "label map"), (ct, "is CT, not MR")):
        with pytest.raises(UnfitVolume, match=reason):
            run.logic.start([unfit], Settings())
    with pytest.raises(UnfitVolume, match="load one first"):
        run.logic.start([], Settings())
    assert volumes_to_score(scene) == [volume]


def read_nothing():
    from miqanet_core.series import Geometry, MRSeries

    return MRSeries(np.zeros((2, 20, 20), np.float32), Geometry(), "ct")
