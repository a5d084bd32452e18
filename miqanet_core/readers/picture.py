"""PNG (8 and 16 bit) and JPEG: one slice without geometry."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from miqanet_core.errors import InputError
from miqanet_core.readers.faults import check_size, faults_of, to_grey
from miqanet_core.series import COLOUR_NOTE, MRSeries

SAVE_AGAIN = "save or copy it again"


def read(path: Path) -> list[MRSeries]:
    """One MRSeries of one slice. Colour is turned to grey and transparency left out, each with a note. Raises InputError."""
    with (
        _no_bombs(path),
        faults_of(path, "is not a picture that can be read", SAVE_AGAIN),
        Image.open(path, formats=["PNG", "JPEG"]) as image,
    ):
        check_size(path, image.height, image.width)
        if image.mode == "CMYK":
            raise InputError(path, "holds ink colours (CMYK)", "save it as grey or RGB")
        grey, notes = _one_channel(image)
    return [MRSeries(grey[np.newaxis], None, path.stem, sources=(path,), notes=("a picture has no geometry", *notes))]


@contextmanager
def _no_bombs(path: Path) -> Iterator[None]:
    """Refuse a header that claims more than 89 million pixels: Pillow warns of it before it allocates anything."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            yield
        except InputError as error:
            if isinstance(error.__cause__, Image.DecompressionBombError | Image.DecompressionBombWarning):
                raise InputError(path, "claims far more pixels than an MR image has", SAVE_AGAIN) from error
            raise


def _one_channel(image: Image.Image) -> tuple[np.ndarray, list[str]]:
    """Grey, (rows, columns), float32, and what was done to get there."""
    if image.mode in ("1", "L") or image.mode.startswith(("I", "F")):
        return np.asarray(image).astype(np.float32) * (255 if image.mode == "1" else 1), []
    pixels = np.asarray(image.convert("RGBA"))
    notes = ["transparency was left out"] if np.ptp(pixels[..., 3]) > 0 else []
    if np.array_equal(pixels[..., 0], pixels[..., 1]) and np.array_equal(pixels[..., 0], pixels[..., 2]):
        return pixels[..., 0].astype(np.float32), notes
    return to_grey(pixels), [*notes, COLOUR_NOTE]
