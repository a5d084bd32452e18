"""The list of open series: name, size, and what is known of its quality."""

from __future__ import annotations

from qtpy.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from qtpy.QtGui import QColor, QFont, QPainter
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from miqanet_core.desktop.reviewed import ReviewedSeries, State
from miqanet_core.desktop.style import VERDICT_COLOURS
from miqanet_core.presenter import DARK

_SIZE, _TAG, _COLOUR = (Qt.ItemDataRole.UserRole + n for n in range(3))


class SeriesList(QListWidget):
    """``currentRowChanged(number)`` of Qt tells which series is looked at."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setItemDelegate(_TwoLines(self))
        self.setMinimumWidth(190)
        self.setSpacing(2)
        self.setUniformItemSizes(True)
        self.setAccessibleName("Series")

    def add(self, one: ReviewedSeries) -> None:
        """Another series, at the end."""
        item = QListWidgetItem(one.name)
        columns, rows, slices = one.series.size
        item.setData(_SIZE, f"{columns} \N{MULTIPLICATION SIGN} {rows}, {slices} slice{'s' if slices != 1 else ''}")
        self.addItem(item)
        self.show_state(one)

    def show_state(self, one: ReviewedSeries) -> None:
        """How far a series has come."""
        item = self.item(one.number)
        item.setData(_TAG, one.tag)
        item.setData(_COLOUR, _colour(one))
        item.setToolTip(one.fault or f"{one.name}: {one.tag}")


class _TwoLines(QStyledItemDelegate):
    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:  # noqa: N802 - Qt's
        return QSize(190, 64)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        painter.save()
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        box: QRect = option.rect.adjusted(2, 0, -2, 0)
        if selected:
            painter.fillRect(box, QColor(DARK.none_soft))
            painter.fillRect(QRect(box.left(), box.top(), 3, box.height()), QColor(DARK.accent))
        text = box.adjusted(12, 6, -8, -6)
        font = QFont(option.font)
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(QColor(DARK.ink))
        name = painter.fontMetrics().elidedText(index.data(), Qt.TextElideMode.ElideMiddle, text.width())
        top = Qt.AlignmentFlag.AlignTop
        painter.drawText(text, top, name)
        painter.setFont(option.font)
        painter.setPen(QColor(DARK.quiet))
        painter.drawText(text.translated(0, 18), top, index.data(_SIZE))
        painter.setPen(QColor(index.data(_COLOUR)))
        painter.drawText(text.translated(0, 36), top, index.data(_TAG))
        painter.restore()


def _colour(one: ReviewedSeries) -> str:
    if one.state is State.FAILED:
        return DARK.bad
    if one.state is State.SCORED and one.quality is not None:
        return VERDICT_COLOURS[one.quality.verdict][0]
    return DARK.accent if one.state is State.SCORING else DARK.quiet
