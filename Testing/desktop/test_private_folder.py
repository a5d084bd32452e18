"""A window's temporary folder goes with it, or with the next window where it was killed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from miqanet_core.desktop.private_folder import PrivateFolder

OTHER = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from miqanet_core.desktop.private_folder import PrivateFolder
folder = PrivateFolder()
(folder.path / "series-0.npy").write_text("a patient")
print(folder.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_what_a_killed_window_left_goes_when_the_next_one_opens(temporary):
    for name in ("miqa-review-being-made", "another"):
        (temporary / name).mkdir()
    (temporary / "miqa-review-trap").symlink_to(temporary / "another")
    (temporary / "another" / "window.lock").touch()
    command = [sys.executable, "-c", OTHER, str(temporary)]
    windows = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        killed, open_ = (Path(window.stdout.readline().strip()) for window in windows)
        assert killed.stat().st_mode & 0o077 == 0
        windows[0].kill()
        windows[0].wait()
        assert (killed / "series-0.npy").exists()
        mine = PrivateFolder()
        assert not killed.exists()
        assert (open_ / "series-0.npy").exists(), "its window is open"
        assert {path.name for path in temporary.iterdir()} == {
            open_.name, mine.path.name, "miqa-review-being-made", "miqa-review-trap", "another",
        }  # fmt: skip
        mine.remove()
        assert not mine.path.exists()
    finally:
        for window in windows:
            window.kill()
            window.communicate()
