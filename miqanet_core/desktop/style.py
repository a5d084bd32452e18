"""The window's looks, from the palette that the report uses; dark, as rooms are where images are read."""

from __future__ import annotations

from qtpy.QtGui import QColor, QPalette

from miqanet_core.presenter import DARK
from miqanet_core.quality import Verdict

VERDICT_COLOURS = {
    Verdict.DIAGNOSTIC: (DARK.good, DARK.good_soft),
    Verdict.LIMITED: (DARK.fair, DARK.fair_soft),
    Verdict.NON_DIAGNOSTIC: (DARK.bad, DARK.bad_soft),
    Verdict.NOT_ASSESSED: (DARK.quiet, DARK.none_soft),
}
"""Text and ground of each verdict, as CSS."""


def palette() -> QPalette:
    """For what Qt draws by itself."""
    roles = QPalette.ColorRole
    colours = {
        roles.Window: DARK.page, roles.WindowText: DARK.ink, roles.Base: DARK.panel, roles.AlternateBase: DARK.page,
        roles.Text: DARK.ink, roles.Button: DARK.panel, roles.ButtonText: DARK.ink, roles.ToolTipBase: DARK.none_soft,
        roles.ToolTipText: DARK.ink, roles.Highlight: DARK.none_soft, roles.HighlightedText: DARK.ink,
        roles.PlaceholderText: DARK.quiet, roles.Link: DARK.accent, roles.Mid: DARK.line, roles.Dark: DARK.line,
    }  # fmt: skip
    result = QPalette()
    for role, colour in colours.items():
        result.setColor(role, QColor(colour))
    for role in (roles.Text, roles.ButtonText, roles.WindowText):
        result.setColor(QPalette.ColorGroup.Disabled, role, QColor(DARK.line))
    return result


STYLE_SHEET = f"""
* {{ font-size: 13px; }}
QMainWindow, QSplitter, QStatusBar {{ background: {DARK.page}; }}
QToolBar {{ background: {DARK.panel}; border: none; border-bottom: 1px solid {DARK.line}; padding: 6px 8px; spacing: 4px; }}
QToolButton, QPushButton {{ color: {DARK.ink}; background: {DARK.none_soft}; border: 1px solid {DARK.line}; border-radius: 6px;
    padding: 5px 12px; }}
QToolButton:hover, QPushButton:hover {{ border-color: {DARK.accent}; }}
QToolButton:disabled, QPushButton:disabled {{ color: {DARK.line}; background: {DARK.panel}; }}
QPushButton#score {{ background: {DARK.accent}; color: {DARK.page}; font-weight: 600; border: none; padding: 8px 16px; }}
QPushButton#score:hover {{ background: {DARK.ink}; }}
QPushButton#score:disabled {{ background: {DARK.line}; color: {DARK.quiet}; }}
QListView, QTableView, QScrollArea {{ background: {DARK.panel}; border: 1px solid {DARK.line}; border-radius: 8px;
    outline: none; }}
QListView::item {{ border-radius: 6px; }}
QTableView::item {{ padding: 2px 6px; }}
QTableView::item:selected {{ background: {DARK.none_soft}; color: {DARK.ink}; }}
QHeaderView::section {{ background: {DARK.panel}; color: {DARK.quiet}; border: none; border-bottom: 1px solid {DARK.line};
    padding: 5px 6px; font-weight: 600; }}
QLabel#title {{ font-size: 15px; font-weight: 600; }}
QLabel#headline {{ font-size: 30px; font-weight: 700; }}
QLabel#verdict {{ font-size: 14px; font-weight: 650; border-radius: 7px; padding: 4px 12px; }}
QLabel#quiet, QLabel#chip {{ color: {DARK.quiet}; }}
QLabel#chip {{ border: 1px solid {DARK.line}; border-radius: 11px; padding: 2px 10px; }}
QLabel#doubts {{ color: {DARK.fair}; }}
QProgressBar {{ background: {DARK.panel}; border: 1px solid {DARK.line}; border-radius: 5px; text-align: center;
    max-height: 14px; color: {DARK.ink}; }}
QProgressBar::chunk {{ background: {DARK.accent}; border-radius: 4px; }}
QSlider::groove:horizontal {{ height: 4px; background: {DARK.line}; border-radius: 2px; }}
QSlider::handle:horizontal {{ width: 14px; margin: -5px 0; border-radius: 7px; background: {DARK.accent}; }}
QScrollBar:vertical {{ background: transparent; width: 10px; margin: 2px; }}
QScrollBar::handle:vertical {{ background: {DARK.line}; border-radius: 3px; min-height: 24px; }}
QScrollBar::add-line, QScrollBar::sub-line {{ height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
QToolTip {{ background: {DARK.none_soft}; color: {DARK.ink}; border: 1px solid {DARK.line}; }}
QSplitter::handle {{ background: {DARK.page}; }}
"""
