"""What is said of the series: score, range, verdict, reasons, doubts; of the slice: artefacts; and the table of slices."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from miqanet_core.desktop.reviewed import ReviewedSeries, State
from miqanet_core.desktop.slice_table import SliceTable
from miqanet_core.desktop.style import VERDICT_COLOURS
from miqanet_core.policy import Policy
from miqanet_core.presenter import (
    MEANING,
    doubts,
    headline,
    interval_text,
    progress_text,
    slice_rows,
    verdict_text,
)


class ResultPanel(QWidget):
    """The right side of the window. ``score_button`` scores the series that is shown."""

    def __init__(self, policy: Policy, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._policy = policy
        self.title, self.headline, self.interval = _label("title"), _label("headline"), _label("quiet")
        self.verdict, self.meaning = _label("verdict"), _label("meaning")
        self.reasons, self.doubts, self.slice_line = _label("reasons"), _label("doubts"), _label("slice")
        self.notes, self.origin = _label("quiet"), _label("quiet")
        self.score_button = QPushButton("Score this series")
        self.score_button.setObjectName("score")
        self.table = SliceTable()
        top = QHBoxLayout()
        top.addWidget(self.headline)
        top.addWidget(self.verdict, 0, Qt.AlignmentFlag.AlignVCenter)
        top.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 8, 8)
        layout.setSpacing(7)
        layout.addWidget(self.title)
        layout.addLayout(top)
        for widget in (self.interval, self.meaning, self.score_button, self.reasons, self.doubts, self.notes, self.origin,
                       self.slice_line):  # fmt: skip
            layout.addWidget(widget)
        layout.addWidget(self.table, 1)
        self.setMinimumWidth(330)
        self.show_result(None, 0, scoring=False)

    def show_result(self, one: ReviewedSeries | None, index: int, *, scoring: bool) -> None:
        """All of a series, slice ``index`` in the table; ``scoring``: whether any series is being scored."""
        quality = one.quality if one is not None and one.state is State.SCORED else None
        _put(self.title, escape(one.name) if one else "")
        _put(self.headline, escape(headline(quality)) if quality and quality.score is not None else "")
        _put(self.interval, interval_text(quality.interval) if quality else "")
        _put(self.verdict, verdict_text(quality.verdict) if quality else "")
        _put(self.meaning, escape(MEANING[quality.verdict]) if quality else self._state_text(one))
        _put(self.reasons, _bullets((*quality.reasons, *quality.artifact_sentences())) if quality else "")
        _put(self.doubts, _bullets(doubts(quality, self._policy)) if quality else "")
        _put(self.notes, _bullets(f"Reader: {note}" for note in one.series.notes) if one else "")
        _put(self.origin, escape(one.origin) if one else "")
        if quality:
            ink, ground = VERDICT_COLOURS[quality.verdict]
            self.verdict.setStyleSheet(f"color: {ink}; background: {ground};")
        self.score_button.setVisible(one is not None and one.state in (State.OPENED, State.FAILED))
        self.score_button.setEnabled(not scoring)
        self.table.setVisible(bool(one and one.slices))
        self.table.show_slices(one.slices if one else (), index)
        self.show_slice(one, index)

    def show_slice(self, one: ReviewedSeries | None, index: int) -> None:
        """What is known of one slice, and its row."""
        row = next(iter(slice_rows(s for s in one.slices if s.index == index)), None) if one else None
        text = ""
        if row is not None:
            score = f"score {row.score_text}" if row.score is not None else ""
            said = [score, row.flag, row.artifacts, f"unclear: {row.unclear}" if row.unclear else ""]
            text = f"<b>Slice {row.number}</b> " + escape(" \N{MIDDLE DOT} ".join(filter(None, said)))
        _put(self.slice_line, text)
        self.table.show_slice(index)

    def _state_text(self, one: ReviewedSeries | None) -> str:
        if one is None:
            return "Open a scan to begin: a file or a folder, by the buttons above or dropped into this window."
        if one.state is State.SCORING:
            return progress_text(len(one.slices), len(one.series.voxels))
        if one.state is State.FAILED:
            return escape(one.fault)
        return "In line to be scored." if one.state is State.WAITING else "Not scored yet."


def _label(name: str) -> QLabel:
    label = QLabel()
    label.setObjectName(name)
    label.setWordWrap(name not in ("headline", "verdict"))
    label.setTextFormat(Qt.TextFormat.RichText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _put(label: QLabel, text: str) -> None:
    label.setText(text)
    label.setVisible(bool(text))


def _bullets(sentences: Iterable[str]) -> str:
    return "<br>".join(f"\N{BULLET} {escape(sentence)}" for sentence in sentences)
