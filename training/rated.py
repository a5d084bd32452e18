"""Readers of data sets of rated images: label files become pairs of an image and its opinion score.

Everything that can be wrong with a set is found before any image is read: missing images, wrong counts, duplicates, scores
that are no numbers or out of range. Layouts: RAD-IQMRI as the released MIQANet reads it (Ma et al., Neurocomputing 602, 2024);
KADID-10k (Lin et al., QoMEX 2019); KonIQ-10k (Hosu et al., IEEE TIP 29, 2020); PIPAL's training part (Gu et al., ECCV 2020).
"""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

import numpy as np
from PIL import Image

from miqanet_core.errors import InputError
from miqanet_core.readers import read_series
from miqanet_core.readers.faults import check_size, faults_of, to_grey
from miqanet_core.readers.kinds import ENDINGS, ending

DATASETS = ("rad-iqmri", "kadid10k", "koniq10k", "pipal", "folder")
Dataset = Enum("Dataset", {name: name for name in DATASETS}, type=str)  # type: ignore[misc]
# Images and references of the sets as published; a folder of one's own has as many as it likes.
COUNTS = {"rad-iqmri": (112, 8), "kadid10k": (10125, 81), "koniq10k": (10073, 10073), "pipal": (23200, 200)}
TITLES = {"rad-iqmri": "RAD-IQMRI", "kadid10k": "KADID-10k", "koniq10k": "KonIQ-10k", "pipal": "PIPAL"}
# The file that marks a folder as made by stand_in.py, and what everything made from such a folder must say.
STAND_IN_FILE = "SIMULATED_STAND_IN.txt"
STAND_IN_TITLE = "SIMULATED STAND-IN, not RAD-IQMRI"
STAND_IN_CAVEAT = (
    "Its scores are no opinions: a teacher made of HaarPSI and MS-SSIM gave them, so that these two, and whatever learned from "
    "that teacher, agree with it by construction. Its slices may be among those that the shipped model was trained on."
)

UNPACK_AGAIN = "unpack the data set again, or name the folder that holds it with --root"
_BITMAP = ".bmp"


@dataclass(frozen=True, eq=False)
class RatedImage:
    """One image and what people thought of it.

    ``path``: its file. ``reference``: the content it was made from; images of one reference belong on one side of a split.
    ``score``: mean opinion score on a scale of 0 (worst) to 100 (best). ``reference_image``: the file of that content,
    undistorted; None where there is none. ``artefact``, ``anatomy``: what was done to it and what it shows, empty where nobody
    says.
    """

    path: Path
    reference: str
    score: float
    reference_image: Path | None = None
    artefact: str = ""
    anatomy: str = ""


def read_rated(dataset: str, root: Path) -> list[RatedImage]:
    """The images of a data set in the order of its label files; reads no pixels.

    ``dataset``: one of :data:`DATASETS`. ``root``: its folder. Scores become 0..100: RAD-IQMRI and ``folder`` as they are,
    KADID-10k from 1..5, KonIQ-10k (``MOS_zscore``) from 1..100, PIPAL's Elo from the lowest to the highest of the set. Raises
    InputError that names the file at fault and the cure.
    """
    if dataset not in DATASETS:
        raise InputError(root, f"cannot be read as {dataset!r}", f"name one of {', '.join(DATASETS)} with --dataset")
    if not root.is_dir():
        raise InputError(root, "is not a folder", "name the folder of the data set with --root")
    images = _READERS[dataset](root)
    _check_whole(dataset, root, images)
    return images


def title(dataset: str, root: Path) -> str:
    """What outputs made from this folder are headed with: the set's name, or that it is a simulated stand-in."""
    return STAND_IN_TITLE if (root / STAND_IN_FILE).exists() else TITLES.get(dataset, root.resolve().name)


def read_image(path: Path) -> np.ndarray:
    """The pixels of a rated image: float32 (rows, columns), grey, in the units of its file.

    PNG, JPEG, BMP, or a DICOM, NIfTI, NRRD or MetaImage file of one slice. Raises InputError.
    """
    if ending(path) == _BITMAP:
        with faults_of(path, "is not a bitmap that can be read", UNPACK_AGAIN), Image.open(path, formats=["BMP"]) as image:
            check_size(path, image.height, image.width)
            return to_grey(np.asarray(image.convert("RGB")))
    voxels = read_series(path).voxels
    if len(voxels) != 1:
        raise InputError(path, f"holds {len(voxels)} slices", "save each rated slice as a file of its own")
    return np.asarray(voxels[0])


@dataclass(frozen=True)
class _Label:
    """A line of a label file: number, the image's name, its reference and its score on the set's own scale."""

    line: int
    image: str
    reference: str
    score: float


def _rad_iqmri(root: Path) -> list[RatedImage]:
    """``mri_train.txt`` labels ``Train_Distort/``, ``mri_val.txt`` labels ``Val_Distort/``: both together are the set.

    How the images are named is not published, so the reference is the name up to its first "_", unless ``references.csv``
    (columns image, reference) tells it.
    """
    images = []
    for file, folder in (("mri_train.txt", "Train_Distort"), ("mri_val.txt", "Val_Distort")):
        images += _find(root / file, list(_lines(root / file, 0, 100)), [root / folder])
    told = root / "references.csv"
    if not told.exists():
        return images
    references = {row["image"]: row["reference"] for _, row in rows(told, ("image", "reference"))}
    unknown = [image.path.name for image in images if not references.get(image.path.name)]
    if unknown:
        raise InputError(told, f"has no reference for {some(unknown)}", "add a line for each: image,reference")
    return [replace(image, reference=references[image.path.name]) for image in images]


def _kadid10k(root: Path) -> list[RatedImage]:
    """``dmos.csv`` names its column dmos, but 1 is the worst and 5 the best."""
    file = root / "dmos.csv"
    labels = [
        _Label(line, row["dist_img"], Path(row["ref_img"]).stem, _number(file, line, row["dmos"], 1, 5))
        for line, row in rows(file, ("dist_img", "ref_img", "dmos"))
    ]
    return _find(file, _rescaled(labels, 1, 5), [root / "images"])


def _koniq10k(root: Path) -> list[RatedImage]:
    """Photographs as they were taken: none has a reference, so each is its own. The larger images are taken where both are."""
    file = root / "koniq10k_scores_and_distributions.csv"
    folders = [root / size for size in ("1024x768", "512x384") if (root / size).is_dir()]
    if not folders:
        raise InputError(root, "has neither 1024x768/ nor 512x384/", UNPACK_AGAIN)
    labels = [
        _Label(line, row["image_name"], row["image_name"], _number(file, line, row["MOS_zscore"], 1, 100))
        for line, row in rows(file, ("image_name", "MOS_zscore"))
    ]
    return _find(file, _rescaled(labels, 1, 100), folders[:1])


def _pipal(root: Path) -> list[RatedImage]:
    """The training part. Elo ratings have no ends of their own: the set's lowest becomes 0 and its highest 100."""
    one, several = root / "Train_Label.txt", root / "Train_Label"
    files = [one] if one.exists() else sorted(several.glob("*.txt"))
    if not files:
        raise InputError(root, "has neither Train_Label/*.txt nor Train_Label.txt", UNPACK_AGAIN)
    names = ("Train_Dist", "Train_Distort", *(f"Distortion_{part}" for part in (1, 2, 3, 4)))
    folders = [root / name for name in names if (root / name).is_dir()]
    if not folders:
        raise InputError(root, "has neither Train_Dist/ nor Distortion_1/ to Distortion_4/", UNPACK_AGAIN)
    images = []
    for file in files:
        images += _find(file, list(_lines(file, -math.inf, math.inf)), folders)
    low, high = min(image.score for image in images), max(image.score for image in images)
    if low == high:
        raise InputError(files[0], f"rates every image {low:g}", UNPACK_AGAIN)
    return [replace(image, score=100 * (image.score - low) / (high - low)) for image in images]


def _folder(root: Path) -> list[RatedImage]:
    """One's own images: ``scores.csv`` with image (a path below the folder), score 0..100 and, if there are any, reference,
    reference_image (a path below the folder), artefact and anatomy."""
    file = root / "scores.csv"
    told = list(rows(file, ("image", "score")))
    labels = [
        _Label(line, row["image"], row.get("reference") or row["image"], _number(file, line, row["score"], 0, 100))
        for line, row in told
    ]
    lacking = [name for _, row in told if (name := row.get("reference_image")) and not (root / name).is_file()]
    if lacking:
        raise InputError(file, f"names reference images that are missing: {some(lacking)}", "put them there, or correct it")
    return [
        replace(
            image,
            reference_image=root / row["reference_image"] if row.get("reference_image") else None,
            artefact=row.get("artefact", ""),
            anatomy=row.get("anatomy", ""),
        )
        for image, (_, row) in zip(_find(file, labels, [root]), told, strict=True)
    ]


_READERS: dict[str, Callable[[Path], list[RatedImage]]] = {
    "rad-iqmri": _rad_iqmri,
    "kadid10k": _kadid10k,
    "koniq10k": _koniq10k,
    "pipal": _pipal,
    "folder": _folder,
}


@contextmanager
def _text_of(file: Path) -> Iterator[Iterable[str]]:
    """The file's lines; whatever keeps them from being read becomes an InputError."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            yield stream
    except FileNotFoundError:
        raise InputError(file, "is missing", UNPACK_AGAIN) from None
    except OSError as error:
        raise InputError(file, f"cannot be read ({error.strerror})", "check that it is a file that may be read") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(file, f"is not a text file ({error})", UNPACK_AGAIN) from None


def _lines(file: Path, low: float, high: float) -> Iterator[_Label]:
    """A text file of ``image, score`` a line, parted by a comma, a tab or blanks; the reference is the name up to "_"."""
    with _text_of(file) as stream:
        for line, text in enumerate(stream, 1):
            if not text.strip():
                continue
            parts = re.fullmatch(r"(.*\S)(?:\s*,\s*|\s+)(\S+)", text.strip())
            if parts is None:
                raise InputError(file, f"line {line} is not an image and its score", "write it as: image, score")
            name = parts[1].rstrip(",").rstrip()
            yield _Label(line, name, Path(name).stem.split("_")[0], _number(file, line, parts[2], low, high))


def rows(file: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells of each row of a table that has ``columns``; InputError where it lacks one, or a row a value."""
    with _text_of(file) as stream:
        table = csv.DictReader(stream, skipinitialspace=True)
        missing = [name for name in columns if name not in (table.fieldnames or ())]
        if missing:
            raise InputError(file, f"has no column {', '.join(missing)}", f"its first line must name {', '.join(columns)}")
        for row in table:
            if any(not (row[name] or "").strip() for name in columns):
                raise InputError(file, f"line {table.line_num} lacks a value", f"fill in {', '.join(columns)}")
            yield table.line_num, {name: (value or "").strip() for name, value in row.items() if isinstance(value, str)}


def _number(file: Path, line: int, text: str, low: float, high: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(file, f"line {line}: the score {text!r} is not a number", "correct that line")
    if not low <= number <= high:
        raise InputError(file, f"line {line}: the score {text} is outside {low:g}..{high:g}", "correct that line")
    return number


def _rescaled(labels: list[_Label], low: float, high: float) -> list[_Label]:
    return [replace(label, score=100 * (label.score - low) / (high - low)) for label in labels]


def _find(file: Path, labels: list[_Label], folders: list[Path]) -> list[RatedImage]:
    """The labelled images, each in the first of ``folders`` that has it; all that are missing are told of at once."""
    if not labels:
        raise InputError(file, "labels no image", UNPACK_AGAIN)
    present = {path.relative_to(folder).as_posix(): path for folder in reversed(folders) for path in folder.rglob("*")}
    missing = [label.image for label in labels if label.image not in present]
    if missing:
        where = " or ".join(f"{folder.name}/" for folder in folders)
        problem = f"{len(missing)} of its {len(labels)} images are missing in {where}: {some(missing)}"
        raise InputError(file, problem, "put them there, or unpack the data set again")
    for label in labels:
        if ending(Path(label.image)) not in {*ENDINGS, _BITMAP}:
            problem = f"line {label.line} names {label.image}, which is no image that can be read"
            raise InputError(file, problem, "save it as PNG, BMP or DICOM and correct the line")
    return [RatedImage(present[label.image], label.reference, label.score) for label in labels]


def _check_whole(dataset: str, root: Path, images: list[RatedImage]) -> None:
    """No image twice, and as many images and references as the set is known to have."""
    twice = [path.name for path, times in Counter(image.path for image in images).items() if times > 1]
    names = Counter(image.path.name for image in images)
    if dataset != "folder":
        twice = [name for name, times in names.items() if times > 1]
    if twice:
        raise InputError(root, f"labels {some(twice)} more than once", "leave one line for each image in the label files")
    if dataset == "folder":
        return
    wanted, wanted_references = COUNTS[dataset]
    if len(images) != wanted:
        raise InputError(root, f"labels {len(images)} images, but {TITLES[dataset]} has {wanted}", UNPACK_AGAIN)
    references = sorted({image.reference for image in images})
    if len(references) != wanted_references:
        cure = "write references.csv (image,reference) beside the label files" if dataset == "rad-iqmri" else UNPACK_AGAIN
        found = f"{len(references)} references ({some(references)})"
        raise InputError(root, f"has images of {found}, but {TITLES[dataset]} has {wanted_references}", cure)


def some(names: Sequence[str]) -> str:
    """The first five of them, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
