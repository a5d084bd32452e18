"""PNG (8 and 16 bit) and JPEG: one slice without geometry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from miqanet_core.errors import InputError
from miqanet_core.readers.faults import check_size, faults_of, to_grey
from miqanet_core.series import MRSeries

SAVE_AGAIN = "save or copy it again"


def read(path: Path) -> list[MRSeries]:
    """One MRSeries of one slice. Colour is turned to grey and transparency left out, each with a note. Raises InputError."""
    # Pillow refuses by itself, at opening, a header that claims more than 179 million pixels, and says so of a file cut short.
    with faults_of(path, "is not a picture that can be read", SAVE_AGAIN), Image.open(path, formats=["PNG", "JPEG"]) as image:
        check_size(path, image.height, image.width)
        if image.mode == "CMYK":
            raise InputError(path, "holds ink colours (CMYK)", "save it as grey or RGB")
        grey, notes = _one_channel(image)
    return [MRSeries(grey[np.newaxis], None, path.stem, sources=(path,), notes=("a picture has no geometry", *notes))]


def _one_channel(image: Image.Image) -> tuple[np.ndarray, list[str]]:
    """Grey, (rows, columns), float32, and what was done to get there."""
    if image.mode in ("1", "L") or image.mode.startswith(("I", "F")):
        return np.asarray(image).astype(np.float32) * (255 if image.mode == "1" else 1), []
    pixels = np.asarray(image.convert("RGBA"))
    notes = ["transparency was left out"] if np.ptp(pixels[..., 3]) > 0 else []
    if np.array_equal(pixels[..., 0], pixels[..., 1]) and np.array_equal(pixels[..., 0], pixels[..., 2]):
        return pixels[..., 0].astype(np.float32), notes
    return to_grey(pixels), [*notes, "colour was turned to grey"]
