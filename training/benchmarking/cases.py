"""The images of a benchmark, looked at before anything takes long."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarking.pixels import load
from miqanet_core.errors import InputError
from rated import RatedImage

# Agreement needs more than the four parameters of the mapping, and intervals more than one reference.
LEAST_IMAGES, LEAST_REFERENCES = 5, 2


@dataclass(frozen=True)
class Case:
    """An image and its rating. ``size``: rows, columns. ``content``, ``reference_content``: SHA-256 of files, "" for none."""

    rated: RatedImage
    size: tuple[int, int]
    content: str
    reference_content: str


def look_at(images: list[RatedImage], root: Path, tell: Callable[[], None]) -> list[Case]:
    """Read every image once; ``tell`` is called after each. InputError that names the first that cannot be used, and why.

    Ratings that are all the same, too few images, images that do not show or cannot be read, undistorted ones of another size.
    """
    if len({image.score for image in images}) < 2:
        raise InputError(
            root, f"rates every image {images[0].score:g}", "agreement with a constant is not defined; rate them anew"
        )
    references = {image.reference for image in images}
    if len(images) < LEAST_IMAGES or len(references) < LEAST_REFERENCES:
        problem = f"has {len(images)} images of {len(references)} references"
        raise InputError(root, problem, f"rate {LEAST_IMAGES} images of {LEAST_REFERENCES} references at the least")
    with_reference = [image for image in images if image.reference_image is not None]
    if 0 < len(with_reference) < len(images):
        lacking = next(image for image in images if image.reference_image is None)
        problem = f"has no undistorted image, and {len(with_reference)} others have one"
        raise InputError(lacking.path, problem, "name one for each image, or for none")
    cases = []
    for image in images:
        pixels = load(image)
        cases.append(
            Case(image, (pixels[0].shape[-2], pixels[0].shape[-1]), _digest(image.path), _digest(image.reference_image))
        )
        tell()
    return cases


def _digest(path: Path | None) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path else ""
