"""Scoring: takes volumes and a process, and puts results into the scene. Knows no widget."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from slicer.i18n import tr as _

import slicer
from MIQALib import messages
from MIQALib.quality_map import read_overlay
from MIQALib.result_nodes import MAP, ResultNodes
from MIQALib.sequences import browser_of, store_time_point, time_points
from MIQALib.slice_views import show_map
from MIQALib.volumes import UnfitVolume, check_volume, write_volume


@dataclass(frozen=True)
class Target:
    """What one file of the scoring process stands for: a volume, or one time point (``index_value``) of a sequence."""

    volume_id: str
    index_value: str | None = None


@dataclass(frozen=True)
class Progress:
    """Slice ``done`` of ``total`` in volume ``number`` of ``count`` (both from 1) has its ``score`` (None: not scored)."""

    number: int
    count: int
    done: int
    total: int
    score: float | None = None


class Listener:
    """What a front end may want to hear; it overrides what it needs."""

    def started(self) -> None:
        """Scoring has begun."""

    def progressed(self, progress: Progress) -> None:
        """A slice is scored."""

    def scored(self, volume) -> None:
        """A volume's result is in the scene."""

    def failed(self, message: str) -> None:
        """Something could not be scored; the message names it and the cure."""

    def ended(self, cancelled: bool) -> None:
        """Nothing runs any more."""


class ScoringLogic:
    """Scores volumes of ``scene``, one run at a time.

    ``make_process(on_event, on_end)`` gives a process with ``start(arguments)``, ``cancel()`` and ``end_now()``; see
    :class:`MIQALib.process.WorkerProcess`. ``folder``: where this session's files go. ``opacity``: of the map, 0..1.
    """

    def __init__(self, scene, make_process, folder, listener=None):
        self.listener = listener or Listener()
        self.opacity = 0.5
        self._scene, self._make_process, self._folder = scene, make_process, Path(folder)
        self._process = None
        self._run = 0
        self._observer = scene.AddObserver(slicer.vtkMRMLScene.StartCloseEvent, lambda *_event: self.abandon())
        # The report of each volume that was scored in this session, and the policy it was made with.
        self.reports: dict[str, tuple[Path, object]] = {}

    @property
    def running(self) -> bool:
        """A process is at work."""
        return self._process is not None

    def start(self, volumes, settings) -> None:
        """Score ``volumes``; a volume that browses a sequence stands for all its time points.

        UnfitVolume when one cannot be scored, ValueError when thresholds contradict each other or a run is under way,
        FileNotFoundError without a Python to run.
        """
        if self.running:
            raise ValueError(_("MIQA is scoring already; wait for the end or cancel"))
        if not volumes:
            raise UnfitVolume(_("There is no volume to score; load one first"))
        for volume in volumes:
            check_volume(volume)
        self._policy = settings.policy()
        folder = self.new_folder()
        self._out, self._inputs = folder / "results", folder / "inputs"
        try:
            self._targets = {}
            for volume in volumes:
                self._write(volume)
            policy_file = self._inputs / "policy.toml"
            policy_file.write_text(settings.policy_file(), encoding="utf-8")
            process = self._make_process(self._on_event, self._on_end)
        except Exception:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._seen, self._told, self._source, self._total = 0, False, "", 0
        self._process = process
        process.start([
            "score", *self._targets, "--out", self._out, "--progress", "jsonl", "--policy", policy_file,
            "--model", settings.model, "--device", settings.device, "--precision", settings.precision,
        ])  # fmt: skip
        self.listener.started()

    def cancel(self) -> None:
        """Stop; results that stand already stay."""
        if self._process is not None:
            self._process.cancel()

    def abandon(self) -> None:
        """The scene is closing: end the process at once, and put nothing into the scene any more."""
        if self._process is not None:
            self._process.end_now()
            self._finish(cancelled=True)
        self.reports.clear()

    def close(self) -> None:
        """Slicer is closing, or the module is reloaded: leave nothing behind."""
        self.abandon()
        self._scene.RemoveObserver(self._observer)
        shutil.rmtree(self._folder, ignore_errors=True)

    def new_folder(self) -> Path:
        """A folder of this session that nothing else uses; not made yet, gone when the session ends."""
        self._run += 1
        return self._folder / str(self._run)

    def _write(self, volume) -> None:
        folder = self._inputs / str(len(self._targets))
        if browser_of(volume) is None:
            self._targets[str(write_volume(volume, folder))] = Target(volume.GetID())
            return
        for number, (index_value, time_point) in enumerate(time_points(volume)):
            path = write_volume(time_point, folder / str(number))
            self._targets[str(path)] = Target(volume.GetID(), index_value)

    def _on_event(self, event) -> None:
        kind = event.get("event")
        if kind == "start":
            self._source, self._total = event["source"], event["slices"]
            self._seen += 1
            self._progress(0)
        elif kind == "slice":
            self._progress(event["index"] + 1, event["score"])
        elif kind == "done":
            self._take(self._source, Path(event["result"]))
        elif kind == "error":
            self._told = True
            self.listener.failed(self._named(messages.of_error(event), event.get("source", "")))

    def _progress(self, done, score=None) -> None:
        self.listener.progressed(Progress(self._seen, len(self._targets), done, self._total, score))

    def _take(self, source, result) -> None:
        """Put a result into the scene. A fault here is told; it must not stop the other volumes."""
        from miqanet_core.quality import SeriesQuality

        target = self._targets.get(source)
        volume = self._scene.GetNodeByID(target.volume_id) if target else None
        if volume is None:
            self._fail(_("A result came for a volume that is no longer in the scene"))
            return
        try:
            quality = SeriesQuality.from_dict(json.loads(result.read_text(encoding="utf-8")))
            overlay = result.with_name(f"{result.name.removesuffix('.json')}.nii.gz")
            if target.index_value is None:
                ResultNodes(volume).update(quality, self._policy, read_overlay(overlay, volume))
            else:
                store_time_point(volume, target.index_value, quality, self._policy, overlay)
        except (OSError, ValueError, KeyError) as error:
            self._fail(_("The result of {name} could not be read: {error}").format(name=volume.GetName(), error=error))
            return
        if target.index_value is None:
            report = result.with_name(f"{result.name.removesuffix('.json')}.html")
            self.reports[volume.GetID()] = (report, self._policy)
        if quality.score is not None:
            show_map(self._scene, volume, ResultNodes(volume).node(MAP), self.opacity)
        self.listener.scored(volume)

    def _named(self, message, source) -> str:
        """The message with the volume's name in the place of a temporary file's."""
        target = self._targets.get(source)
        volume = self._scene.GetNodeByID(target.volume_id) if target else None
        return message.replace(source, volume.GetName()) if volume is not None else message

    def _fail(self, message) -> None:
        self._told = True
        self.listener.failed(message)

    def _on_end(self, ending) -> None:
        message = messages.of_ending(ending, self._told)
        self._finish(ending.cancelled)
        if message:
            self.listener.failed(message)

    def _finish(self, cancelled) -> None:
        self._process = None
        shutil.rmtree(self._inputs, ignore_errors=True)
        self.listener.ended(cancelled)
