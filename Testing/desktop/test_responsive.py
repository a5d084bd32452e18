"""The event loop while a series of 160 real slices is scored by another process."""

from __future__ import annotations

import time
from pathlib import Path

import nibabel
import numpy as np
from qtpy.QtCore import QAbstractEventDispatcher, QTimer

from conftest import PATIENCE
from miqanet_core import read_series
from miqanet_core.desktop.reviewed import State

SLICES = 160
BLOCKED_S = 0.1
WITH_DISK_S = 0.5  # what the same may take when the disk, or the host of a virtual machine, makes the thread wait meanwhile
QUEUE = Path("/proc/thread-self/schedstat")  # of Linux: time on a processor, time in its queue, both in ns


class Watch:
    """How long the event loop is at its work each time before it waits for events again.

    ``worked``: seconds of processor. ``away``: seconds by the clock, less those in the queue for a processor, for what else the
    machine has to do says nothing about the window.
    """

    def __init__(self) -> None:
        self.worked: list[float] = []
        self.away: list[float] = []
        self._awake: tuple[float, float, float] | None = None
        dispatcher = QAbstractEventDispatcher.instance()
        dispatcher.awake.connect(self._begin)
        dispatcher.aboutToBlock.connect(self._end)
        # It must also be seen that events are taken: a loop that never comes to wait would be watched by nobody.
        self.beats = 0
        self._timer = QTimer(interval=5)
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    def _beat(self) -> None:
        self.beats += 1

    def _begin(self) -> None:
        if self._awake is None:
            self._awake = self._now()

    def _end(self) -> None:
        if self._awake is not None:
            worked, clock, queued = (now - before for now, before in zip(self._now(), self._awake, strict=True))
            self.worked.append(worked)
            self.away.append(clock - queued)
            self._awake = None

    @staticmethod
    def _now() -> tuple[float, float, float]:
        queued = int(QUEUE.read_text().split()[1]) / 1e9 if QUEUE.exists() else 0.0
        return time.thread_time(), time.perf_counter(), queued


def test_scoring_160_slices_never_blocks_the_event_loop(open_window, shared, tmp_path, qtbot, record_property):
    """The scorer is a stand-in, for its network would take minutes; the window sees the same process, events and files."""
    source = read_series(shared / "data" / "mri" / "brain_T1_studyforrest")
    voxels = np.resize(source.voxels, (SLICES, *source.voxels.shape[1:]))[:, 100:260, 60:220]
    nibabel.save(nibabel.Nifti1Image(voxels.transpose(2, 1, 0), np.diag([0.7, 0.7, 0.7, 1.0])), tmp_path / "many.nii")
    window = open_window()
    watch = Watch()
    window.open([tmp_path / "many.nii"])
    qtbot.waitUntil(lambda: window.list.count() == 1, timeout=PATIENCE)
    window.score_current()
    came: list[int] = []
    while window.session.scoring:
        came.append(len(window.current.slices))
        window.step(1 if window.index < SLICES - 1 else -SLICES)  # a person scrolls meanwhile
        qtbot.wait(20)
    for _ in range(10):  # and on, with the map
        window.step(-1)
        qtbot.wait(20)
    assert window.complaints == []
    assert window.current.state is State.SCORED
    assert window.current.map is not None
    assert len(window.panel.table.slices.rows) == SLICES
    assert len(set(came)) > 10  # slice by slice, not all at the end
    for name, values in (("worked", watch.worked), ("away", watch.away)):
        record_property(f"longest {name}, s", max(values))
        print(f"longest {name}: {max(values):.3f} s of {len(values)} spans; {watch.beats} beats")
    assert watch.beats > 100
    assert max(watch.worked) < BLOCKED_S
    assert max(watch.away) < WITH_DISK_S
