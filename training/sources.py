"""Where the slices for training come from, and which of them no model may see before it is judged."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from miqanet_core.errors import InputError
from miqanet_core.readers import read_all_series
from miqanet_core.transforms import anatomy_mask, within_body

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# A reference must show anatomy on at least this part of it: the first and last slices of a stack often do not.
LEAST_ANATOMY = 0.08
_COMPARE = "compare it with training/recipes/miqanet_tiny.toml"


@dataclass(frozen=True)
class Source:
    """One subject's images. ``path`` is relative to one of the data folders; every series under it belongs to the subject.

    A ``path`` with a * names files that are read each on its own: slices whose files do not tell where they lie. ``split``:
    "train"; "validation", watched while training; "test", seen by no training at all. ``planes``: 3 takes slices in all three
    planes of a volume with cubic voxels, 1 only those it is stored in. ``modality``: a CT shows anatomy to spoil, and a teacher
    only compares: it may teach, never stand for MR. ``window``: the values that are shown, such as Hounsfield units of a CT;
    None for all that are not negative. ``average``: over people, so a scan of nobody, which may teach but sets no limit.
    """

    path: str
    subject: str
    anatomy: str
    contrast: str
    vendor: str
    licence: str
    split: Literal["train", "validation", "test"]
    planes: Literal[1, 3] = 1
    modality: Literal["MR", "CT"] = "MR"
    window: tuple[float, float] | None = None
    average: bool = False


@dataclass(frozen=True, eq=False)
class Reference:
    """One clean slice: float32 (rows, columns), not negative, in its file's units, above its window's low end.

    ``series``: which of the source's.
    """

    image: np.ndarray
    source: Source
    series: str = ""


def read_recipe(path: Path, with_sources: bool = True) -> dict[str, Any]:
    """A recipe: TOML with the tables ``training`` and, unless it trains on rated images, ``source``.

    In place of ``source``, ``sources_from`` names files in the same folder that list them, one name or several: what is split
    by subject is split once.
    InputError when it cannot be read or lacks one. What ``training`` holds is checked by :func:`settings.parse`.
    """
    recipe = _tables(path)
    if not isinstance(recipe.get("training"), dict):
        raise InputError(path, "has no [training]", _COMPARE)
    names = recipe.get("sources_from", path.name)
    recipe["source"] = []
    for file in (path.parent / str(name) for name in (names if isinstance(names, list) else [names])):
        recipe["source"] += _sources(file, with_sources)
    return recipe


def _sources(file: Path, wanted: bool) -> list[Source]:
    entries = _tables(file).get("source")
    if wanted and not isinstance(entries, list):
        raise InputError(file, "has no [source]", _COMPARE)
    try:
        return [Source(**entry) for entry in entries or []]
    except TypeError as error:
        raise InputError(file, f"has a [[source]] with a wrong field ({error})", "compare with the other sources") from None


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "name a recipe from training/recipes/") from None
    except ValueError as error:
        raise InputError(path, f"is not TOML ({error})", "mend the line it names") from None


def find(source: Source, folders: list[Path]) -> list[Path]:
    """What the source's path names in the first folder that holds it; InputError when none does."""
    if Path(source.path).is_absolute():
        raise InputError(
            source.path, "is not relative to a data folder", "name it as it lies in one, and the folder with --data"
        )
    for folder in folders:
        if "*" in source.path and (found := sorted(folder.glob(source.path))):
            return found
        if (folder / source.path).exists():
            return [folder / source.path]
    raise InputError(
        source.path, f"is in none of {', '.join(map(str, folders))}", "name its folder with --data, or run fetch_packages.py"
    )


def references(sources: list[Source], folders: list[Path], most: int) -> list[Reference]:
    """Clean slices of ``sources``: the middles of at most ``most`` equal parts of each plane of each series."""
    found = []
    for source in sources:
        for number, series in enumerate(series for path in find(source, folders) for series in read_all_series(path)):
            for plane in range(source.planes):
                stack = _not_negative(np.moveaxis(series.voxels, plane, 0), source.window)
                slices = [s for s in stack[within_body(stack)] if anatomy_mask(s).mean() >= LEAST_ANATOMY]
                parts = min(most, len(slices))
                chosen = [slices[int((part + 0.5) * len(slices) / parts)] for part in range(parts)]
                found += [Reference(np.ascontiguousarray(each), source, f"{number}.{plane}") for each in chosen]
    return found


def _not_negative(stack: np.ndarray, window: tuple[float, float] | None) -> np.ndarray:
    if window is None:
        return np.asarray(np.maximum(stack, 0))
    low, high = window
    return np.asarray(np.clip(stack, low, high) - np.float32(low))


def only_mr(sources: Iterable[Source]) -> list[Source]:
    """Those that may stand for MR."""
    return [source for source in sources if source.modality == "MR"]


def learnt_anatomies(sources: Iterable[Source]) -> set[str]:
    """Those that MR for training shows."""
    return {source.anatomy for source in only_mr(sources) if source.split == "train"}
