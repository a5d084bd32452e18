"""Score over slice number, with the thresholds; a click or a drag goes to the slice."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QFont, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QWidget

from miqanet_core.policy import format_score
from miqanet_core.presenter import DARK, ScoreCurve, slice_ticks

_LEFT, _TOP, _RIGHT, _BOTTOM = 38, 10, 168, 38  # the right margin holds the names of the thresholds


class CurveView(QWidget):
    """``chosen(index)``: the slice that was clicked, from 0."""

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._curve: ScoreCurve | None = None
        self._slices, self._index = 0, 0
        self.setMinimumHeight(150)
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("Score of each slice")

    def show_curve(self, curve: ScoreCurve | None, slices: int) -> None:
        """``slices``: how many the series has; the curve may hold fewer while they are scored."""
        self._curve, self._slices = curve, slices
        self.update()

    def show_slice(self, index: int) -> None:
        """Mark the slice that is looked at."""
        self._index = index
        self.update()

    def place_of(self, index: int, score: float) -> QPointF:
        """Where a slice with a score lies in the widget."""
        area = self._area()
        return QPointF(
            area.left() + 10 + (area.width() - 20) * index / max(self._slices - 1, 1),
            area.bottom() - area.height() * min(max(score, 0.0), 100.0) / 100,
        )

    def _area(self) -> QRectF:
        return QRectF(_LEFT, _TOP, max(self.width() - _LEFT - _RIGHT, 40), max(self.height() - _TOP - _BOTTOM, 40))

    def _slice_at(self, x: float) -> int:
        area = self._area()
        share = (x - area.left() - 10) / (area.width() - 20)
        return int(np.clip(round(share * (self._slices - 1)), 0, max(self._slices - 1, 0)))

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        if self._slices and event.button() == Qt.MouseButton.LeftButton:
            self.chosen.emit(self._slice_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if not self._slices:
            return
        index = self._slice_at(event.position().x())
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.chosen.emit(index)
        self.setToolTip(self._describe(index))

    def _describe(self, index: int) -> str:
        if self._curve is None or index + 1 not in self._curve.numbers:
            return f"Slice {index + 1}"
        where = np.flatnonzero(self._curve.numbers == index + 1)
        score = float(self._curve.scores[where[0]])
        if np.isnan(score):
            return f"Slice {index + 1}: not scored"
        return f"Slice {index + 1}: {format_score(score)}" + (", flagged" if self._curve.flagged[where[0]] else "")

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = QFont(self.font())
        font.setPixelSize(11)
        painter.setFont(font)
        self._draw_axes(painter)
        if self._slices:
            x = self.place_of(self._index, 0).x()
            painter.setPen(QPen(QColor(DARK.ink), 1))
            painter.drawLine(QPointF(x, _TOP), QPointF(x, self._area().bottom()))
        if self._curve is not None:
            self._draw_thresholds(painter, self._curve)
            self._draw_scores(painter, self._curve)

    def _draw_axes(self, painter: QPainter) -> None:
        area = self._area()
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for tick in range(0, 101, 20):
            y = self.place_of(0, tick).y()
            painter.setPen(QColor(DARK.line))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(QColor(DARK.quiet))
            painter.drawText(QRectF(0, y - 8, _LEFT - 8, 16), right, str(tick))
        for number in slice_ticks(self._slices):
            x = self.place_of(number - 1, 0).x()
            painter.drawText(QRectF(x - 20, area.bottom() + 3, 40, 14), Qt.AlignmentFlag.AlignCenter, str(number))
        painter.drawText(
            QRectF(area.left(), area.bottom() + 18, area.width(), 16), Qt.AlignmentFlag.AlignCenter, "slice number"
        )

    def _draw_thresholds(self, painter: QPainter, curve: ScoreCurve) -> None:
        area, label = self._area(), 0.0
        for line in curve.thresholds:
            y = self.place_of(0, line.value).y()
            colour = QColor(DARK.bad if line.of == "slice" else DARK.quiet)
            painter.setPen(QPen(colour, 1.2, Qt.PenStyle.DashLine if line.of == "slice" else Qt.PenStyle.DotLine))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            label = max(y, label + 14)  # thresholds may lie close; their names must not
            painter.setPen(colour)
            place = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(QRectF(area.right() + 8, label - 8, _RIGHT - 8, 16), place, line.text)

    def _draw_scores(self, painter: QPainter, curve: ScoreCurve) -> None:
        known = ~np.isnan(curve.scores)
        places = zip(curve.numbers - 1, np.nan_to_num(curve.scores), strict=True)
        points = [self.place_of(int(index), float(score)) for index, score in places]
        painter.setPen(QPen(QColor(DARK.accent), 1.6))
        for before, after in zip(range(len(points)), range(1, len(points)), strict=False):
            if known[before] and known[after]:
                painter.drawLine(points[before], points[after])
        size = 4.0 if self._slices <= 80 else 2.4
        painter.setPen(Qt.PenStyle.NoPen)
        for point, score_known, flagged in zip(points, known, curve.flagged, strict=True):
            if score_known:
                _draw_mark(painter, point, bool(flagged), size)
        here = np.flatnonzero(curve.numbers == self._index + 1)
        if len(here) and known[here[0]]:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(DARK.ink), 1.8))
            painter.drawEllipse(points[here[0]], size + 4, size + 4)


def _draw_mark(painter: QPainter, point: QPointF, flagged: bool, size: float) -> None:
    """Flagged slices are triangles, so that they differ in more than colour."""
    painter.setBrush(QColor(DARK.bad if flagged else DARK.accent))
    if flagged:
        size *= 1.3
        corners = [QPointF(0, -size), QPointF(size, size), QPointF(-size, size)]
        painter.drawPolygon(QPolygonF([point + corner for corner in corners]))
    else:
        painter.drawEllipse(point, size, size)
