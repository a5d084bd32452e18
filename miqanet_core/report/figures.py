"""Pictures of a slice, plain and with the quality map over it, as PNG bytes."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from miqanet_core.presenter.colours import QUALITY_COLOURS, paint
from miqanet_core.series import Geometry

OPACITY = 0.5
MAX_PIXELS = 768  # along the longer side; more only makes the report heavy
_LUMINANCE_RANGE = (1.0, 99.5)  # percentiles of the slice shown as black and white


@dataclass(frozen=True)
class Orientation:
    """How a stored slice is turned so that people see it upright: transposed first, then flipped."""

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    def apply(self, image: np.ndarray) -> np.ndarray:
        """A view of the 2-D image, turned."""
        if self.transpose:
            image = image.T
        return image[:: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]


def radiological(geometry: Geometry | None) -> Orientation:
    """The turn to the way radiologists hang pictures: patient's left on the right, anterior and superior up.

    Sagittal slices face left. The nearest of the patient's axes stands for an oblique one. Without geometry, as stored.
    """
    if geometry is None:
        return Orientation()
    direction = np.asarray(geometry.direction, dtype=float)
    along_columns = int(np.argmax(np.abs(direction[:, 0])))
    others = [axis for axis in range(3) if axis != along_columns]  # a double oblique may name one axis twice
    along_rows = max(others, key=lambda axis: abs(direction[axis, 1]))
    # x to the left of the patient before y to the back before z: the lower axis lies horizontally in all three planes
    transpose = along_columns > along_rows
    horizontal, vertical = (direction[:, 1], direction[:, 0]) if transpose else (direction[:, 0], direction[:, 1])
    across, down = sorted((along_columns, along_rows))
    towards_feet_or_back = -vertical[2] if down == 2 else vertical[down]
    return Orientation(transpose, flip_rows=bool(towards_feet_or_back < 0), flip_columns=bool(horizontal[across] < 0))


def aspect_ratio(geometry: Geometry | None, shape: tuple[int, int]) -> float:
    """Width over height of a slice of ``shape`` (rows, columns) as it should be shown, turned by :func:`radiological`."""
    column_mm, row_mm = geometry.spacing[:2] if geometry else (1.0, 1.0)
    ratio = shape[1] * column_mm / (shape[0] * row_mm)
    return 1 / ratio if radiological(geometry).transpose else ratio


def slice_png(image: np.ndarray, orientation: Orientation | None = None) -> bytes:
    """The slice in grey, its own darkest and brightest percentile as black and white."""
    grey = grey_levels(_prepare(image, orientation))
    return _png(np.round(255 * grey).astype(np.uint8))


def overlay_png(image: np.ndarray, quality: np.ndarray, orientation: Orientation | None = None) -> bytes:
    """The slice in grey with its quality map (0..100, NaN where not scored) in colour over it."""
    return _png(paint(grey_levels(_prepare(image, orientation)), _prepare(quality, orientation), OPACITY))


def colour_stops(count: int = 11) -> list[str]:
    """The colour map from 0 to 100 as CSS colours, for a legend."""
    steps = np.linspace(0, len(QUALITY_COLOURS) - 1, count).astype(int)
    return [f"#{bytes(colour).hex()}" for colour in QUALITY_COLOURS[steps]]


def data_uri(png: bytes) -> str:
    """The picture as an address that needs no file and no network."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _prepare(image: np.ndarray, orientation: Orientation | None) -> np.ndarray:
    step = -(-max(image.shape) // MAX_PIXELS)
    return (orientation or Orientation()).apply(image)[::step, ::step]


def grey_levels(image: np.ndarray, black_and_white: tuple[float, float] | None = None) -> np.ndarray:
    """A slice as 0 (black) to 1 (white): between the two values given, or its own darkest and brightest percentile."""
    finite = np.where(np.isfinite(image), image, 0.0).astype(np.float32)
    low, high = black_and_white or display_range(image)
    return np.clip((finite - low) / (high - low), 0, 1) if high > low else np.zeros_like(finite)


def display_range(image: np.ndarray) -> tuple[float, float]:
    """The values that are shown as black and as white unless someone asks for others."""
    low, high = np.percentile(np.where(np.isfinite(image), image, 0.0), _LUMINANCE_RANGE)
    return float(low), float(high)


def _png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, format="PNG")
    return stream.getvalue()
