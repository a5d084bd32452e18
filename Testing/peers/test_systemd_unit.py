"""The unit file before systemd itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path

INSTALLED = "/opt/miqanet/bin/miqanet"


def test_systemd_finds_nothing_wrong_with_the_unit(program: Callable[[str], str], tmp_path: Path) -> None:
    unit = resources.files("miqanet_core.listener").joinpath("deployment", "miqanet-listen.service").read_text(encoding="utf-8")
    assert unit.count(f"={INSTALLED} ") == 2
    file = tmp_path / "miqanet-listen.service"
    # It looks whether the program is there, which a test does not install in /opt.
    file.write_text(unit.replace(INSTALLED, sys.executable), encoding="utf-8")
    command = [program("systemd-analyze"), "verify", "--man=no", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
