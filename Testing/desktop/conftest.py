"""Fixtures of the review window's tests: Qt without a display, and workers that read and score small or real things."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest

pytest.importorskip("pytestqt", reason="pytest-qt is absent: pip install '.[review,test]'")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 or a library it needs is absent: bash Testing/run installs them",
                    exc_type=ImportError)  # fmt: skip

from qtpy.QtCore import QObject, QSettings

from miqanet_core.cli.review import worker_command
from miqanet_core.desktop.app import dress
from miqanet_core.desktop.window import ReviewWindow
from miqanet_core.policy import Policy
from model.small_config import SMALL
from patience import PATIENCE

STAND_IN = [sys.executable, str(Path(__file__).with_name("worker_stand_in.py"))]
Opener = Callable[..., ReviewWindow]


@pytest.fixture(scope="session", autouse=True)
def sound_binding() -> None:
    """Skip where Qt's binding would end Python in the middle of a test."""
    thing = QObject()
    before = sys.getrefcount(None)
    for _ in range(500):
        thing.setObjectName("name")
    if sys.version_info < (3, 12) and before - sys.getrefcount(None) > 250:
        pytest.skip("this PySide6 loses references to None (6.12 does); install PySide6-Essentials<6.12")


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file of a network that is quick and knows nothing."""
    import torch

    from miqanet_core.model import MIQANet, save_weights

    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_weights(MIQANet(SMALL).eval(), file, {"version": "1"})
    return file


@pytest.fixture
def real_command(small_model: Path) -> list[str]:
    """The worker as users run it, with the small network."""
    return worker_command(str(small_model), "cpu")


@pytest.fixture
def open_window(qtbot, qapp, tmp_path: Path) -> Iterator[Opener]:
    """Open a window with paths in it and wait until they are read; ``complaints`` of it holds what it told."""
    dress(qapp)
    windows: list[ReviewWindow] = []

    def opener(*paths: Path | str, command: Sequence[str] = STAND_IN, catalogue: bool = False) -> ReviewWindow:
        settings = QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
        window = ReviewWindow(command, Policy.default(), settings, catalogue=catalogue)
        windows.append(window)
        window.complaints = []
        window.session.failed.disconnect(window._complain)
        window.session.failed.connect(window.complaints.append)
        window.resize(1200, 800)
        window.show()
        if paths:
            with qtbot.waitSignal(window.session.reading, timeout=PATIENCE, check_params_cb=lambda done, total: total == 0):
                window.open([Path(path) for path in paths])
        return window

    yield opener
    for window in windows:
        window.close()


@pytest.fixture
def score_and_wait(qtbot) -> Callable[[ReviewWindow], None]:
    """Score what is open, to the end."""

    def score(window: ReviewWindow) -> None:
        with qtbot.waitSignal(window.session.busy, timeout=PATIENCE, check_params_cb=lambda busy: not busy):
            window.score_all()

    return score
