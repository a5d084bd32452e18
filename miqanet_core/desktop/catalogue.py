"""The listener's catalogue as a list to choose from, page by page, the newest or the worst first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from miqanet_core.desktop.style import VERDICT_COLOURS
from miqanet_core.desktop.worker import Worker
from miqanet_core.policy import format_score
from miqanet_core.presenter import DARK, verdict_text
from miqanet_core.quality import Verdict

_COLUMNS = ("Arrived", "Series", "Verdict", "Score", "Patient", "Scanner")
_ID = Qt.ItemDataRole.UserRole


class CatalogueDialog(QDialog):
    """``command`` as for :class:`Session`, with a listener's settings. ``chosen(ids)``: the series to open."""

    chosen = Signal(list)

    def __init__(self, command: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Catalogue of the listener")
        self.resize(1060, 560)
        self._command = list(command)
        self._page, self._error = 1, ""
        self._lister = Worker(self)
        self._lister.event.connect(self._take)
        self._lister.ended.connect(self._end)
        self.order = QComboBox()
        self.order.addItem("Newest first", "newest")
        self.order.addItem("Worst first", "worst")
        self.order.currentIndexChanged.connect(lambda index: self.ask(1))
        self.previous_button, self.next_button, self.open_button = map(QPushButton, ("Previous", "Next", "Open"))
        self.table = _table()
        self.table.itemSelectionChanged.connect(lambda: self.open_button.setEnabled(bool(self._selected())))
        self.table.itemDoubleClicked.connect(lambda item: self._choose())
        self.said = QLabel()
        self.said.setObjectName("quiet")
        self.said.setTextFormat(Qt.TextFormat.PlainText)
        self.said.setWordWrap(True)
        refresh = QPushButton("Refresh")
        refresh.clicked.connect(lambda: self.ask(self._page))
        self.previous_button.clicked.connect(lambda: self.ask(self._page - 1))
        self.next_button.clicked.connect(lambda: self.ask(self._page + 1))
        self.open_button.clicked.connect(self._choose)
        self.open_button.setDefault(True)
        top, bottom = QHBoxLayout(), QHBoxLayout()
        for row, widgets in ((top, (self.order, refresh)), (bottom, (self.previous_button, self.next_button))):
            for widget in widgets:
                row.addWidget(widget)
        top.addStretch()
        bottom.addWidget(self.said, 1)
        bottom.addWidget(self.open_button)
        layout = QVBoxLayout(self)
        layout.addLayout(top)
        layout.addWidget(self.table, 1)
        layout.addLayout(bottom)
        self._enable(1)

    def ask(self, page: int) -> None:
        """Show a page of the catalogue as it is now; the process that looks may take a moment."""
        self._lister.stop()
        self._page, self._error = page, ""
        self.said.setText("Looking into the catalogue\N{HORIZONTAL ELLIPSIS}")
        self._lister.start([*self._command, "list", self.order.currentData(), str(page)])

    def stop(self) -> None:
        """End the process that looks, for closing."""
        self._lister.blockSignals(True)
        self._lister.stop()

    def _take(self, event: dict[str, Any]) -> None:
        if event["event"] == "error":
            self._error = event["message"]
        elif event["event"] == "catalogue":
            self.table.setRowCount(0)
            for entry in event["entries"]:
                self._add(entry)
            self._enable(event["pages"])
            count = f"{event['total']} series" if event["total"] else "Nothing has been received yet."
            self.said.setText(count + (f", page {event['page']} of {event['pages']}" if event["pages"] > 1 else ""))

    def _end(self, reason: str) -> None:
        if self._error or reason:
            self.said.setText(self._error or reason)

    def _add(self, entry: dict[str, Any]) -> None:
        verdict = Verdict(entry["verdict"]) if entry["verdict"] else None
        score = "" if entry["score"] is None else format_score(entry["score"])
        judged = verdict_text(verdict) if verdict else entry["state"]
        texts = (entry["arrived"], entry["name"], judged, score, entry["patient"], entry["scanner"])
        row = self.table.rowCount()
        self.table.insertRow(row)
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            item.setData(_ID, entry["id"])
            item.setToolTip("Its images are no longer kept; only the verdict is." if entry["removed"] else text)
            if entry["removed"]:
                item.setForeground(QColor(DARK.quiet))
            elif verdict and _COLUMNS[column] == "Verdict":
                item.setForeground(QColor(VERDICT_COLOURS[verdict][0]))
            self.table.setItem(row, column, item)

    def _enable(self, pages: int) -> None:
        self.previous_button.setEnabled(self._page > 1)
        self.next_button.setEnabled(self._page < pages)
        self.open_button.setEnabled(bool(self._selected()))

    def _selected(self) -> list[int]:
        return [index.data(_ID) for index in self.table.selectionModel().selectedRows()]

    def _choose(self) -> None:
        if self._selected():
            self.chosen.emit(self._selected())


def _table() -> QTableWidget:
    table = QTableWidget(0, len(_COLUMNS))
    table.setHorizontalHeaderLabels(_COLUMNS)
    table.verticalHeader().hide()
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setShowGrid(False)
    table.setWordWrap(False)
    for column, width in enumerate((150, 270, 150, 60, 220, 150)):
        table.setColumnWidth(column, width)
    table.horizontalHeader().setStretchLastSection(True)
    table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    table.setAccessibleName("Series of the catalogue")
    return table
