"""The event loop while a series of 160 real slices is scored by a real process."""

from __future__ import annotations

import time
from pathlib import Path

import nibabel
import numpy as np
import pytest
from conftest import PATIENCE
from qtpy.QtCore import Qt, QTimer

from miqanet_core import read_series
from miqanet_core.desktop.reviewed import State

SLICES, BEAT_MS, BLOCKED_S = 160, 5, 0.1
QUEUE = Path("/proc/thread-self/schedstat")  # of Linux: time on a processor, time in its queue, both in ns


class Heart:
    """Beats in the event loop. ``blocked``: seconds between two beats in which its thread did not wait for a processor.

    What else the machine has to do delays the beats too, and says nothing about the window.
    """

    def __init__(self) -> None:
        self.blocked: list[float] = []
        self.passed: list[float] = []
        self._before = self._now()
        self._timer = QTimer(interval=BEAT_MS, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    def _beat(self) -> None:
        now = self._now()
        passed, queued = now[0] - self._before[0], now[1] - self._before[1]
        self.passed.append(passed)
        self.blocked.append(passed - queued)
        self._before = now

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.perf_counter(), int(QUEUE.read_text().split()[1]) / 1e9


@pytest.mark.skipif(not QUEUE.exists(), reason="the system does not tell how long a thread waited for a processor")
def test_scoring_160_slices_never_blocks_the_event_loop(open_window, real_command, shared, tmp_path, qtbot, record_property):
    source = read_series(shared / "data" / "mri" / "dicom_GE_fMRI_nih")
    voxels = np.resize(source.voxels, (SLICES, *source.voxels.shape[1:]))
    voxels = np.pad(voxels, ((0, 0), (0, 192), (0, 192)))  # air costs the network little, and the window as much as anatomy
    nibabel.save(nibabel.Nifti1Image(voxels.transpose(2, 1, 0), np.diag([0.7, 0.7, 0.7, 1.0])), tmp_path / "many.nii.gz")
    window = open_window(command=real_command)
    heart = Heart()
    window.open([tmp_path / "many.nii.gz"])
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
    for name, values in (("blocked", heart.blocked), ("between beats", heart.passed)):
        record_property(f"longest {name}, s", max(values))
        print(f"longest {name}: {max(values):.3f} s of {len(values)}")
    assert max(heart.blocked) < BLOCKED_S
