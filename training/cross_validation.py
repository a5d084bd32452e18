"""The RAD-IQMRI protocol without the released one's faults: leave one reference, or two, out.

The test references of a split are seen by nothing that is learned: not by the network or the ridge, not by the choice of its
checkpoint or penalty (made on references of the training part), not by the mapping of predictions to scores (fitted on the
training part's predictions). Intervals resample whole references. A finished split is kept and not learned again.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from miqanet_core.errors import InputError
from miqanet_core.metrics.agreement import FIGURES, Mapping, fit_mapping, interval
from rated import RatedImage

# Learns from the training images, chooses by the validation images, may write below a folder; gives what predicts (N,) scores.
Predict = Callable[[list[RatedImage]], np.ndarray]
Learn = Callable[[list[RatedImage], list[RatedImage], Path], Predict]

SCHEMES = {"leave-one-out": 1, "leave-two-out": 2}
# Order is a matter of the predictions themselves, accuracy one of the mapped predictions.
MAPPED = ("PLCC", "RMSE")
_TESTED = "tested.json"


@dataclass(frozen=True)
class Split:
    """References on each side: ``test`` is reported, ``validation`` chooses the checkpoint, all others train."""

    scheme: str
    test: tuple[str, ...]
    validation: str

    @property
    def name(self) -> str:
        """What messages call the split."""
        return f"{self.scheme}: {' and '.join(self.test)}"


@dataclass(frozen=True)
class Tested:
    """A finished split: of each test image its file's name, reference, score, prediction and mapped prediction, all 0..100.

    ``mapping``: fitted on the training part; None, with the reason in ``note``, when its predictions are all the same.
    """

    split: Split
    images: tuple[str, ...]
    references: tuple[str, ...]
    score: tuple[float, ...]
    predicted: tuple[float, ...]
    mapped: tuple[float, ...]
    mapping: Mapping | None
    note: str


def splits_of(images: list[RatedImage], scheme: str) -> list[Split]:
    """All splits of a scheme, in the order of the references' names. ValueError when the set is too small for it.

    The validation reference is the next one in that order after the last test reference, so each takes its turn.
    """
    out = SCHEMES[scheme]
    counts: dict[str, int] = {}
    for image in images:
        counts[image.reference] = counts.get(image.reference, 0) + 1
    names = sorted(counts)
    if len(names) < out + 2:
        raise ValueError(f"{scheme} needs {out + 2} references or more, and there are {len(names)}")
    small = [name for name in names if counts[name] < 3]
    if small:
        raise ValueError(f"{scheme} needs three images of each reference; {small[0]} has {counts[small[0]]}")
    found = []
    for test in combinations(names, out):
        following = names[names.index(test[-1]) + 1 :] + names
        found.append(Split(scheme, test, next(name for name in following if name not in test)))
    return found


def folds_of(images: list[RatedImage], folds: int) -> list[Split]:
    """``folds`` splits that test each reference once, neighbours by name together; fewer where there are fewer references.

    ValueError when the set is too small.
    """
    splits = splits_of(images, "leave-one-out")
    names, following = [split.test[0] for split in splits], [split.validation for split in splits]
    parts = np.array_split(np.arange(len(names)), min(folds, len(names)))
    if len(names) - len(parts[0]) < 2:
        raise ValueError(f"{folds} folds of {len(names)} references leave none to train on and choose by")
    return [Split(f"{len(parts)} folds", tuple(names[i] for i in part), following[part[-1]]) for part in parts]


def fingerprint(images: list[RatedImage], method: str, settings: dict[str, Any]) -> dict[str, Any]:
    """What the result of a split depends on: another value of any of it, and finished splits do not count."""
    lines = [f"{i.path.name}\t{i.reference}\t{i.score!r}\t{i.path.stat().st_size}" for i in images]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return {"images": digest, "method": method, "settings": json.loads(json.dumps(settings))}


def cross_validate(
    images: list[RatedImage],
    schemes: list[str],
    learn: Learn,
    made_with: dict[str, Any],
    out: Path,
    tell: Callable[[str], None],
) -> dict[str, list[Tested]]:
    """Learn and test every split of ``schemes``; those that ``out`` holds already are taken from there.

    ``made_with``: the run's :func:`fingerprint`. ``tell``: gets a line for each split. InputError when the set is too small, or
    ``out`` holds splits that were made with something else; both before anything is learned.
    """
    try:
        planned = {scheme: splits_of(images, scheme) for scheme in schemes}
    except ValueError as error:
        raise InputError(out, f"cannot be filled: {error}", "rate more images, or choose another --splits") from None
    _same_settings(out / "settings.json", made_with)
    finished: dict[str, list[Tested]] = {}
    for scheme, splits in planned.items():
        spent: list[float] = []
        for number, split in enumerate(splits, 1):
            folder = out / "splits" / f"{scheme}-{number:03d}"
            tested = kept(split, folder)
            state = "kept"
            if tested is None:
                start = time.monotonic()
                tested = run(split, images, learn, folder)
                spent.append(time.monotonic() - start)
                left = (len(splits) - number) * sum(spent) / len(spent)
                state = f"{spent[-1]:.0f} s" + (f", about {math.ceil(left / 60)} min left of {scheme}" if left else "")
            finished.setdefault(scheme, []).append(tested)
            tell(f"{number}/{len(splits)} {split.name} ({state}){'; ' + tested.note if tested.note else ''}")
    return finished


def run(split: Split, images: list[RatedImage], learn: Learn, folder: Path) -> Tested:
    """Learn and test one split, and keep it in ``folder``, which is the learner's to write in."""
    folder.mkdir(parents=True, exist_ok=True)
    test = [image for image in images if image.reference in split.test]
    validation = [image for image in images if image.reference == split.validation]
    train = [image for image in images if image.reference not in (*split.test, split.validation)]
    predict = learn(train, validation, folder)
    predicted = predict(test)
    mapping, note = None, ""
    try:
        mapping = fit_mapping(predict(train + validation), [image.score for image in train + validation])
        note = mapping.note
    except ValueError as error:
        note = f"predictions were not mapped: {error}"
    mapped = predicted if mapping is None else mapping(predicted)
    tested = Tested(
        split,
        tuple(image.path.name for image in test),
        tuple(image.reference for image in test),
        tuple(image.score for image in test),
        tuple(map(float, predicted)),
        tuple(map(float, mapped)),
        mapping,
        note,
    )
    _write(folder / _TESTED, asdict(tested))
    return tested


def figures_of(tested: Tested) -> dict[str, float | None]:
    """SROCC, PLCC, KRCC and RMSE of one split; None where one is not defined, as with constant predictions."""
    found: dict[str, float | None] = {}
    for name, figure in FIGURES.items():
        try:
            found[name] = figure(tested.mapped if name in MAPPED else tested.predicted, tested.score)
        except ValueError:
            found[name] = None
    return found


def summary(finished: list[Tested]) -> dict[str, Any]:
    """Of one scheme. ``pooled``: figures over all test images of all splits, each with its 95 % ``low`` and ``high``.
    ``median``: figures of the median split, with the least (``low``) and greatest (``high``) of all splits.
    ``splits``: those of each. ``notes``: what was not defined and where a line took the logistic's place.

    An image counts once for each split that tests it, and its reference is drawn as a whole, with all of these.
    """
    per_split = [figures_of(tested) for tested in finished]
    notes = [f"{tested.split.name}: {tested.note}" for tested in finished if tested.note]
    pooled: dict[str, Any] = {}
    middle: dict[str, Any] = {}
    columns = {key: [v for t in finished for v in getattr(t, key)] for key in ("predicted", "mapped", "score", "references")}
    for name, figure in FIGURES.items():
        x, y = columns["mapped" if name in MAPPED else "predicted"], columns["score"]
        try:
            low, high = interval(name, x, y, columns["references"])
            pooled[name] = {"value": figure(x, y), "low": low, "high": high}
        except ValueError as error:
            pooled[name] = None
            notes.append(f"{name} over all splits: {error}")
        values = [v for figures in per_split if (v := figures[name]) is not None]
        middle[name] = {"value": median(values), "low": min(values), "high": max(values)} if values else None
        if len(values) < len(per_split):
            notes.append(f"{name} is not defined in {len(per_split) - len(values)} of {len(per_split)} splits")
    splits = [
        {"test": t.split.test, "validation": t.split.validation, "images": len(t.images), **figures}
        for t, figures in zip(finished, per_split, strict=True)
    ]
    return {"images": len(columns["score"]), "pooled": pooled, "median": middle, "splits": splits, "notes": notes}


def _same_settings(path: Path, made_with: dict[str, Any]) -> None:
    if path.exists():
        before = _json(path)
        changed = [key for key in made_with if before.get(key) != made_with[key]]
        if changed:
            problem = f"says that this run was begun with other {' and '.join(changed)}"
            raise InputError(path, problem, "name a new folder with --out, or go back to what it says")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, made_with)


def kept(split: Split, folder: Path) -> Tested | None:
    """The split as :func:`run` left it in ``folder``; None when it is not finished. InputError when it is another one."""
    path = folder / _TESTED
    if not path.exists():
        return None
    entry = _json(path)
    try:
        made, mapping = entry["split"], entry["mapping"]
        tested = Tested(
            Split(made["scheme"], tuple(made["test"]), made["validation"]),
            images=tuple(entry["images"]),
            references=tuple(entry["references"]),
            score=tuple(entry["score"]),
            predicted=tuple(entry["predicted"]),
            mapped=tuple(entry["mapped"]),
            mapping=mapping and Mapping(mapping["kind"], tuple(mapping["parameters"]), mapping["note"]),
            note=entry["note"],
        )
    except (KeyError, TypeError) as error:
        raise InputError(path, f"is not a finished split ({error})", "remove it, and it is learned again") from None
    if tested.split != split:
        raise InputError(path, f"holds {tested.split.name}, not {split.name}", "name a new folder with --out")
    return tested


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read ({error})", "remove it, and what it holds is made again") from None


def _write(path: Path, content: Any) -> None:
    """Whole or not at all: a killed run leaves no half-written file behind."""
    partly = path.with_suffix(".part")
    partly.write_text(json.dumps(content, indent=1), encoding="utf-8")
    partly.replace(path)
