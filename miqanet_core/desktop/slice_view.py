"""One slice, as radiologists hang it, with its quality map over it.

Dragging with the left button sets the window (sideways) and the level (up and down), a double click sets them back; the wheel
steps through the slices.
"""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QPoint, QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QFont, QImage, QMouseEvent, QPainter, QPaintEvent, QWheelEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from miqanet_core.presenter import DARK, paint
from miqanet_core.report.figures import aspect_ratio, display_range, grey_levels, radiological
from miqanet_core.series import MRSeries

MAX_PIXELS = 1024  # along the longer side; more only makes stepping slow
_LOOKED_AT = 5  # slices that set the first window
_NOTCH = 120  # of a wheel, in Qt's eighths of a degree


class SliceView(QWidget):
    """``stepped(steps)``: the wheel asks for a slice further on, or back when negative. ``windowed``: W or L changed."""

    stepped = Signal(int)
    windowed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.opacity = 0.5
        self._series: MRSeries | None = None
        self._map: np.ndarray | None = None
        self._index = 0
        self._corners = ("", "", "", "")
        self._range = (0.0, 1.0)
        self._first_range = (0.0, 1.0)
        self._image: QImage | None = None
        self._grabbed: QPoint | None = None
        self._wheel = 0
        self.setMinimumSize(240, 200)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setAccessibleName("Slice")

    @property
    def window_level(self) -> tuple[float, float]:
        """Width and centre of the values that are shown as grey, in the units of the series."""
        low, high = self._range
        return high - low, (low + high) / 2

    def show_series(self, series: MRSeries | None) -> None:
        """Another series, or none; window and level begin anew."""
        self._series, self._map, self._index = series, None, 0
        if series is not None:
            some = np.unique(np.linspace(0, len(series.voxels) - 1, _LOOKED_AT).round().astype(int))
            self._first_range = display_range(np.stack([_thinned(series.voxels[index]) for index in some]))
            self._range = self._first_range
        self._refresh()

    def show_slice(self, index: int, quality_map: np.ndarray | None, corners: tuple[str, str, str, str]) -> None:
        """Slice ``index`` with the map of its series, if there is one; ``corners``: texts, clockwise from the upper left."""
        self._index, self._map, self._corners = index, quality_map, corners
        self._refresh()

    def set_opacity(self, opacity: float) -> None:
        """Of the map: 0 (hidden) to 1 (hides the slice)."""
        self.opacity = opacity
        self._refresh()

    def set_window_level(self, width: float, centre: float) -> None:
        """Show ``width`` values around ``centre`` as grey; a width of 0 or less is one that can still be seen."""
        width = max(width, 1e-3 * max(abs(self._first_range[1] - self._first_range[0]), 1e-6))
        self._range = (centre - width / 2, centre + width / 2)
        self._refresh()
        self.windowed.emit()

    def reset_window_level(self) -> None:
        """As when the series was opened."""
        self._range = self._first_range
        self._refresh()
        self.windowed.emit()

    def image_area(self) -> QRectF:
        """Where the slice lies in the widget, in its own proportions."""
        if self._series is None:
            return QRectF()
        ratio = aspect_ratio(self._series.geometry, self._series.voxels.shape[1:])
        margin = 6.0
        room_x, room_y = self.width() - 2 * margin, self.height() - 2 * margin
        width = min(room_x, room_y * ratio)
        height = width / ratio
        return QRectF((self.width() - width) / 2, (self.height() - height) / 2, width, height)

    def place_of(self, row: int, column: int) -> QPointF:
        """Where the middle of a voxel of the shown slice lies in the widget."""
        assert self._series is not None
        _, rows, columns = self._series.voxels.shape
        marker = np.zeros((rows, columns), bool)
        marker[row, column] = True
        turned = radiological(self._series.geometry).apply(marker)
        down, across = (int(where[0]) for where in np.nonzero(turned))
        area = self.image_area()
        return QPointF(
            area.left() + area.width() * (across + 0.5) / turned.shape[1],
            area.top() + area.height() * (down + 0.5) / turned.shape[0],
        )

    def _refresh(self) -> None:
        self._image = None if self._series is None else self._drawn(self._series)
        self.update()

    def _drawn(self, series: MRSeries) -> QImage:
        turn = radiological(series.geometry)
        grey = grey_levels(_thinned(turn.apply(series.voxels[self._index])), self._range)
        if self._map is None or self.opacity == 0:
            pixels = np.ascontiguousarray(np.round(255 * grey).astype(np.uint8))
            rows, columns = pixels.shape
            return QImage(pixels.tobytes(), columns, rows, columns, QImage.Format.Format_Grayscale8).copy()
        pixels = np.ascontiguousarray(paint(grey, _thinned(turn.apply(self._map[self._index])), self.opacity))
        rows, columns, _ = pixels.shape
        return QImage(pixels.tobytes(), columns, rows, 3 * columns, QImage.Format.Format_RGB888).copy()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor("black"))
        if self._image is None:
            painter.setPen(QColor(DARK.quiet))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "Drop a scan here, or open a file or a folder\n\n"
                             "DICOM, NIfTI, NRRD, MetaImage, PNG, JPEG")  # fmt: skip
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(self.image_area(), self._image)
        self._draw_corners(painter)

    def _draw_corners(self, painter: QPainter) -> None:
        flag = Qt.AlignmentFlag
        places = (flag.AlignTop | flag.AlignLeft, flag.AlignTop | flag.AlignRight,
                  flag.AlignBottom | flag.AlignRight, flag.AlignBottom | flag.AlignLeft)  # fmt: skip
        font = QFont(self.font())
        font.setPixelSize(14)
        painter.setFont(font)
        room = self.rect().adjusted(12, 10, -12, -10)
        for place, text in zip(places, self._corners, strict=True):
            painter.setPen(QColor("black"))  # a shadow keeps the text readable on bright tissue
            painter.drawText(room.translated(1, 1), place, text)
            painter.setPen(QColor(DARK.ink))
            painter.drawText(room, place, text)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if event.button() == Qt.MouseButton.LeftButton and self._series is not None:
            self._grabbed = event.position().toPoint()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._grabbed is None:
            return
        here = event.position().toPoint()
        moved, self._grabbed = here - self._grabbed, here
        # The width of the view is worth twice the first window: fine enough for a hand, far enough for a corner.
        step = 2 * (self._first_range[1] - self._first_range[0]) / max(self.width(), 1)
        width, centre = self.window_level
        self.set_window_level(width + moved.x() * step, centre + moved.y() * step)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._grabbed = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self.reset_window_level()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        self._wheel += event.angleDelta().y()
        notches = int(self._wheel / _NOTCH)  # a touchpad sends less than a notch at a time
        self._wheel -= notches * _NOTCH
        if notches:
            self.stepped.emit(-notches)
        event.accept()


def _thinned(image: np.ndarray) -> np.ndarray:
    step = -(-max(image.shape) // MAX_PIXELS)
    return image[::step, ::step]
