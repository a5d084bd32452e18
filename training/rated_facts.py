"""What a data set's own labels do not tell: the undistorted images, and which artefact and anatomy each image shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from miqanet_core.errors import InputError
from miqanet_core.readers.kinds import ENDINGS, ending
from rated import RatedImage, rows, some

# Beside the label files: image (its file's name), artefact, anatomy.
FACTS_FILE = "facts.csv"
# Below the data set's folder, where nobody names another.
REFERENCE_FOLDER = "Reference"


def with_references(images: list[RatedImage], folder: Path) -> list[RatedImage]:
    """Each image with its undistorted one: the file in ``folder`` whose stem is the reference's name.

    InputError that tells all that are missing, or which there are several of.
    """
    if not folder.is_dir():
        raise InputError(folder, "is not a folder", "name the folder of the undistorted images with --references")
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if ending(path) in {*ENDINGS, ".bmp"}:
            found.setdefault(path.name[: -len(ending(path))], []).append(path)
    wanted = sorted({image.reference for image in images})
    lacking = [name for name in wanted if name not in found]
    if lacking:
        cure = "name each file after its reference, such as brain1.png for the images of brain1"
        raise InputError(folder, f"has no image of {len(lacking)} of {len(wanted)} references: {some(lacking)}", cure)
    several = [name for name in wanted if len(found[name]) > 1]
    if several:
        raise InputError(folder, f"has several images of {some(several)}", "leave one file for each reference")
    return [replace(image, reference_image=found[image.reference][0]) for image in images]


def with_facts(images: list[RatedImage], file: Path) -> list[RatedImage]:
    """Each image with its artefact and anatomy from ``file``; InputError when it has no line for one of them."""
    told = {row["image"]: row for _, row in rows(file, ("image", "artefact", "anatomy"))}
    lacking = [image.path.name for image in images if image.path.name not in told]
    if lacking:
        raise InputError(file, f"has no line for {some(lacking)}", "add one for each: image,artefact,anatomy")
    return [replace(i, artefact=told[i.path.name]["artefact"], anatomy=told[i.path.name]["anatomy"]) for i in images]
