"""What the colours of the quality map mean."""

from __future__ import annotations

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent
from qtpy.QtWidgets import QWidget

from miqanet_core.presenter import DARK, LEGEND, QUALITY_COLOURS


class ColourBar(QWidget):
    """The colours from worst to best, with their ends named."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        count = len(QUALITY_COLOURS)
        self._image = QImage(QUALITY_COLOURS.tobytes(), count, 1, 3 * count, QImage.Format.Format_RGB888).copy()
        self.setFixedHeight(22)
        self.setMinimumWidth(320)
        self.setAccessibleName(LEGEND.in_words)
        self.setToolTip(LEGEND.in_words)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(380, 22)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        metrics = painter.fontMetrics()
        left, right = (metrics.horizontalAdvance(text) + 8 for text in (LEGEND.worst, LEGEND.best))
        rest = metrics.horizontalAdvance(LEGEND.uncoloured) + 10
        bar = QRectF(left, 5, max(self.width() - left - right - rest, 20), self.height() - 10)
        painter.drawImage(bar, self._image)
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setPen(QColor(DARK.ink))
        painter.drawText(QRectF(0, 0, left, self.height()), middle, LEGEND.worst)
        painter.drawText(QRectF(bar.right() + 8, 0, right, self.height()), middle, LEGEND.best)
        painter.setPen(QColor(DARK.quiet))
        painter.drawText(QRectF(self.width() - rest + 6, 0, rest, self.height()), middle, LEGEND.uncoloured)
