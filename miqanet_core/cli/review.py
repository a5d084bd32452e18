"""``miqanet review``: look whether a window can be shown at all, then show it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from miqanet_core.cli.guard import FAILED, UsageError
from miqanet_core.cli.score import load_baseline, load_policy
from miqanet_core.cli.terminal import complain

if TYPE_CHECKING:
    from miqanet_core.listener.settings import Settings

_PROBE = "from qtpy.QtWidgets import QApplication; QApplication([])"
_EXTRA = "the review window needs Qt; install it with: pip install 'miqanet_core[review]'"
_LIBRARIES = "libegl1 libgl1 libxkbcommon0 libxcb-cursor0"
_ELSEWHERE = "start it on a desktop or over ssh -X, or write a report instead: miqanet score PATH --html report.html"


def run(
    paths: Sequence[Path],
    *,
    config: Path | None = None,
    model: str | None = None,
    device: str | None = None,
    precision: str | None = None,
    policy_file: Path | None = None,
    baseline_file: Path | None = None,
) -> None:
    """The command, its options explained in ``commands.py``; leaves with typer.Exit when the window cannot be shown.

    With ``config``, what is not given is as the listener scores.
    """
    if config is not None:
        scoring = _settings_of(config).scoring
        model, device, precision = model or scoring.model, device or scoring.device, precision or scoring.precision
        policy_file, baseline_file = policy_file or scoring.policy, baseline_file or scoring.baseline
    policy = load_policy(policy_file)
    load_baseline(baseline_file)  # a bad file is told now, not when the first series is scored
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: does not exist; check the path for a typing error")
    reason = why_no_window()
    if reason:
        complain(reason)
        raise typer.Exit(FAILED)
    from miqanet_core.desktop import app

    command = worker_command(model or "default", device or "auto", precision or "auto", policy_file, baseline_file, config)
    status = app.run(paths, command, policy, catalogue=config is not None)
    if status:
        raise typer.Exit(status)


def worker_command(
    model: str = "default",
    device: str = "auto",
    precision: str = "auto",
    policy_file: Path | None = None,
    baseline_file: Path | None = None,
    config: Path | None = None,
) -> list[str]:
    """What starts a process that reads or scores with these options; with ``config`` also from that listener's catalogue."""
    command = [sys.executable, "-m", "miqanet_core.cli.review_worker"]
    command += ["--model", model, "--device", device, "--precision", precision]
    for name, file in (("--policy", policy_file), ("--baseline", baseline_file), ("--config", config)):
        command += [name, str(file.resolve())] if file is not None else []
    return command


def _settings_of(config: Path) -> Settings:
    """Those of a listener whose catalogue can be read: what is wrong with it is told before there is a window."""
    try:
        from miqanet_core.cli.review_catalogue import settings_of
    except ImportError as error:
        raise UsageError(f"--config needs {error.name}; pip install 'miqanet_core[listener]'") from error
    return settings_of(config)


def why_no_window() -> str | None:
    """Why no window can be shown, and the cure; None when one can.

    Tried in another process: where Qt finds no display it ends the process it is in.
    """
    result = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True, errors="replace", check=False)
    if result.returncode == 0:
        return None
    said = result.stderr
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "it said nothing")
    if any(name in said for name in ("No module named 'qtpy'", "No module named 'PySide6'", "QtBindingsNotFoundError")):
        return _EXTRA
    if "cannot open shared object file" in said:
        return f"Qt cannot start ({last}); on Debian and Ubuntu: apt-get install {_LIBRARIES}"
    if sys.platform == "linux" and not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")):
        return f"there is no display to show a window on; {_ELSEWHERE}"
    if "xcb-cursor0" in said:
        return "Qt cannot start (libxcb-cursor0 is missing); on Debian and Ubuntu: apt-get install libxcb-cursor0"
    if "display" in said:
        return f"the display {os.environ.get('DISPLAY', '')!r} cannot be reached; {_ELSEWHERE}"
    return f"Qt cannot start ({last}); try: pip install --force-reinstall 'miqanet_core[review]'"
