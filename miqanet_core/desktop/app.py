"""Starts Qt and the window."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import QSettings
from qtpy.QtWidgets import QApplication

from miqanet_core.desktop.style import STYLE_SHEET, palette
from miqanet_core.desktop.window import ReviewWindow
from miqanet_core.policy import Policy


def dress(application: QApplication) -> None:
    """Give the application MIQA's looks."""
    application.setStyle("Fusion")
    application.setPalette(palette())
    application.setStyleSheet(STYLE_SHEET)


def run(paths: Sequence[Path], command: Sequence[str], policy: Policy, *, catalogue: bool) -> int:
    """Show the window until it is closed. ``paths`` are opened at once; the others as for :class:`ReviewWindow`."""
    application = QApplication(["miqanet review"])
    application.setApplicationName("MIQA review")
    dress(application)
    window = ReviewWindow(command, policy, QSettings("MIQA", "review"), catalogue=catalogue)
    window.show()
    if paths:
        window.open(paths)
    elif catalogue:
        window.show_catalogue()
    return int(application.exec())
