"""The table of slices: number, score, flag, artefacts, what is unclear; sorted by a click on a column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from miqanet_core.presenter import DARK, SliceRow, colour_of, slice_rows, sort_rows
from miqanet_core.quality import SliceQuality

_COLUMNS = (("number", "Slice"), ("score", "Score"), ("flag", "Flag"), ("artifacts", "Artefacts"), ("unclear", "Unclear"))
_Index = QModelIndex | QPersistentModelIndex


class SliceModel(QAbstractTableModel):
    """The rows of a series in the order that was asked for last."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: list[SliceRow] = []
        self._column, self._descending = 0, False

    def show_slices(self, slices: Sequence[SliceQuality]) -> None:
        """Another series, or more of the same."""
        self.beginResetModel()
        self.rows = self._sorted(slice_rows(slices))
        self.endResetModel()

    def row_of(self, index: int) -> int | None:
        """The row in which slice ``index`` stands now."""
        return next((row for row, one in enumerate(self.rows) if one.index == index), None)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self.layoutAboutToBeChanged.emit()
        self._column, self._descending = max(column, 0), order == Qt.SortOrder.DescendingOrder
        self.rows = self._sorted(self.rows)
        self.layoutChanged.emit()

    def _sorted(self, rows: Sequence[SliceRow]) -> list[SliceRow]:
        return sort_rows(rows, _COLUMNS[self._column][0], self._descending)  # type: ignore[arg-type]

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: N802, B008 - Qt's name and signature
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: N802, B008
        return 0 if parent.isValid() else len(_COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return _COLUMNS[section][1]
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row, name = self.rows[index.row()], _COLUMNS[index.column()][0]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            texts = {"number": str(row.number), "score": row.score_text, "flag": row.flag}
            return texts.get(name) or getattr(row, name) or None
        if role == Qt.ItemDataRole.TextAlignmentRole and name in ("number", "score"):
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ForegroundRole:
            return QColor(_ink(row, name))
        if role == Qt.ItemDataRole.DecorationRole and name == "score":
            colour = colour_of(row.score)
            return QColor(*colour) if colour else None
        return None


class SliceTable(QTableView):
    """``chosen(index)``: the slice of the row that a person selected."""

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.slices = SliceModel(self)
        self.setModel(self.slices)
        self.setSortingEnabled(True)
        self.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(24)
        header = self.horizontalHeader()
        for column, width in enumerate((54, 72, 82, 110, 96)):
            header.resizeSection(column, width)
        header.setSectionResizeMode(3, QHeaderView.ResizeMode.Stretch)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)  # what is cut off is in the tool tip
        self.setAccessibleName("Slices")

    def currentChanged(self, current: _Index, previous: _Index) -> None:  # noqa: N802 - Qt's name
        super().currentChanged(current, previous)
        if current.isValid() and current.row() < len(self.slices.rows):
            self.chosen.emit(self.slices.rows[current.row()].index)

    def show_slices(self, slices: Sequence[SliceQuality], index: int) -> None:
        """The slices, with ``index`` selected; where a person has scrolled to stays."""
        scrolled = self.verticalScrollBar().value()
        self.setAutoScroll(False)
        self.slices.show_slices(slices)
        self.show_slice(index)
        self.setAutoScroll(True)
        self.verticalScrollBar().setValue(scrolled)

    def show_slice(self, index: int) -> None:
        """Select the row of a slice without asking for the slice."""
        row = self.slices.row_of(index)
        self.blockSignals(True)
        if row is None:
            self.clearSelection()
        elif row != self.currentIndex().row():
            self.setCurrentIndex(self.slices.index(row, 0))
        self.blockSignals(False)
        self.viewport().update()


def _ink(row: SliceRow, name: str) -> str:
    if row.score is None or name == "unclear":
        return DARK.quiet
    return DARK.bad if row.flagged and name in ("score", "flag") else DARK.ink
