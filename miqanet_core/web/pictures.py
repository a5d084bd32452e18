"""Slices and their quality maps as PNG, from the files that the worker keeps beside a result."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from miqanet_core.listener.catalogue import StackResult
from miqanet_core.presenter.colours import QUALITY_COLOURS
from miqanet_core.report.figures import Orientation, aspect_ratio, radiological
from miqanet_core.series import Geometry

_NOT_SCORED = 255  # index in the palette; 0 to 250 are the colours of 0 to 100
_STEPS = 250
_KEPT_BYTES = 256 << 20


class Frames(NamedTuple):
    """``picture`` uint8 grey and ``map`` uint8 palette indices, both (slices, rows, columns), turned as people see them.

    ``aspect`` is the width of a slice over its height as it should be shown.
    """

    picture: np.ndarray
    map: np.ndarray
    aspect: float


class Pictures:
    """The files below ``folder``; the ones looked at last are kept in memory. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: OrderedDict[str, Frames] = OrderedDict()
        self._lock = threading.Lock()

    def slice_png(self, stack: StackResult, index: int) -> bytes | None:
        """The slice as people see it; None where there is none."""
        frame = self._frame(stack, index)
        return None if frame is None else _encode(_square_pixels(Image.fromarray(frame.picture), frame.aspect))

    def map_png(self, stack: StackResult, index: int) -> bytes | None:
        """Its quality map in colour, transparent where nothing was scored; None where there is none."""
        frame = self._frame(stack, index)
        if frame is None:
            return None
        image = Image.fromarray(frame.map).convert("P")
        image.putpalette(_palette())
        return _encode(_square_pixels(image, frame.aspect), transparency=_NOT_SCORED)

    def has(self, stack: StackResult) -> bool:
        """Whether its file is still there."""
        return bool(stack.map_file) and self._path(stack.map_file).is_file()

    def _frame(self, stack: StackResult, index: int) -> Frames | None:
        if not self.has(stack):
            return None
        frames = self._load(stack.map_file)
        if not 0 <= index < len(frames.picture):
            return None
        return Frames(frames.picture[index], frames.map[index], frames.aspect)

    def _load(self, name: str) -> Frames:
        with self._lock:
            if name not in self._kept:
                self._kept[name] = _read(self._path(name))
            self._kept.move_to_end(name)
            while len(self._kept) > 1 and sum(f.picture.nbytes + f.map.nbytes for f in self._kept.values()) > _KEPT_BYTES:
                self._kept.popitem(last=False)
            return self._kept[name]

    def _path(self, name: str) -> Path:
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder.resolve()):
            raise ValueError("a result's file lies outside the results folder")
        return path


def _read(path: Path) -> Frames:
    with np.load(path, allow_pickle=False) as arrays:
        quality, picture = arrays["map"], arrays["picture"]
        geometry = None
        if "spacing" in arrays and "direction" in arrays:  # a file without a position has neither
            geometry = Geometry(spacing=tuple(arrays["spacing"].tolist()), direction=tuple(arrays["direction"].tolist()))
    steps = np.round(np.clip(np.nan_to_num(quality), 0, 100) * (_STEPS / 100))
    indices = np.where(np.isfinite(quality), steps, _NOT_SCORED).astype(np.uint8)
    turn = radiological(geometry)
    rows, columns = picture.shape[1:]
    return Frames(_turned(picture, turn), _turned(indices, turn), aspect_ratio(geometry, (rows, columns)))


def _turned(slices: np.ndarray, turn: Orientation) -> np.ndarray:
    return np.stack([turn.apply(image) for image in slices])


def _square_pixels(image: Image.Image, aspect: float) -> Image.Image:
    """Stretched along the direction that has too few pixels, so that a browser shows it undistorted."""
    width, height = image.size
    if abs(width / height / aspect - 1) < 0.01:
        return image
    size = (round(height * aspect), height) if width / height < aspect else (width, round(width / aspect))
    return image.resize(size, Image.Resampling.NEAREST if image.mode == "P" else Image.Resampling.BICUBIC)


def _palette() -> bytes:
    table = np.zeros((256, 3), np.uint8)
    table[: _STEPS + 1] = QUALITY_COLOURS[np.linspace(0, len(QUALITY_COLOURS) - 1, _STEPS + 1).round().astype(int)]
    return table.tobytes()


def _encode(image: Image.Image, **how: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format="PNG", compress_level=3, **how)
    return stream.getvalue()
