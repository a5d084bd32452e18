"""The event loop while a series of 160 real slices is scored by another process."""

from __future__ import annotations

import time

import nibabel
import numpy as np
from qtpy.QtCore import QTimer

from miqanet_core import read_series
from miqanet_core.desktop.reviewed import State
from patience import PATIENCE

SLICES = 160
BLOCKED_S = 0.1
STALLED_S = 2.0  # by the clock: other programs, the disk and the host of a virtual machine delay the beats as well


class Watch:
    """A beat in the event loop. Between two beats: ``worked``, seconds of processor of its thread; ``passed``, by the clock."""

    def __init__(self) -> None:
        self.worked: list[float] = []
        self.passed: list[float] = []
        self._before = (time.thread_time(), time.perf_counter())
        self._timer = QTimer(interval=5)
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    def _beat(self) -> None:
        now = (time.thread_time(), time.perf_counter())
        self.worked.append(now[0] - self._before[0])
        self.passed.append(now[1] - self._before[1])
        self._before = now


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
    for name, values in (("worked", watch.worked), ("passed", watch.passed)):
        record_property(f"longest {name}, s", max(values))
        print(f"longest {name}: {max(values):.3f} s in {len(values)} beats")
    assert len(watch.worked) > 100
    assert max(watch.worked) < BLOCKED_S
    assert max(watch.passed) < STALLED_S
