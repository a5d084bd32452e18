"""The long work: every method on every image, and every fold of what is learned; nothing that is kept is done again."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np

from benchmarking.cases import Case
from benchmarking.methods import MIQANET, Method, Plan, learner_of
from benchmarking.pixels import load
from benchmarking.pool import Workers
from benchmarking.store import Measured, Store, key_of
from cross_validation import Predict, Split, Tested, kept, run
from miqanet_core import metrics
from miqanet_core.errors import InputError
from miqanet_core.scorer import Scorer
from miqanet_core.series import MRSeries
from rated import RatedImage, read_image

_COST, _LOG = "cost.json", "learning.log"


class Progress(Protocol):
    """Told how far a stretch of the work is; ``done`` and ``total`` count what is kept as well."""

    def __call__(self, what: str, method: str, done: int, total: int) -> None: ...


@dataclass(frozen=True)
class Learned:
    """A cross-validated method. ``milliseconds``: a prediction's, of one core. ``seconds``: those that learning a fold took."""

    folds: list[Tested]
    milliseconds: float
    seconds: float


def measure_all(plan: Plan, store: Store, workers: Workers, tell: Progress) -> dict[Method, dict[str, Measured]]:
    """The values of all training-free methods, by the digest of the image.

    Image by image, so that what is wrong with a method shows at once, and the time left is known.
    """
    found = {method: store.of(method.name, method.version) for method in plan.measured}
    everything = [(method, case) for method, cases in plan.measured.items() for case in cases]
    order = {case.content: number for number, case in enumerate({case.content: case for _, case in everything}.values())}
    missing = [(method, case) for method, case in everything if key_of(case, method.with_reference) not in found[method]]
    missing.sort(key=lambda pair: order[pair[1].content])
    done = len(everything) - len(missing)
    if everything:
        tell("measuring", "", done, len(everything))
    if missing:
        jobs = [(method.name, case.rated) for method, case in missing]
        for number, measured in workers.do(measure, jobs):
            method, case = missing[number]
            store.put(case, method.name, method.version, measured, with_reference=method.with_reference)
            found[method][key_of(case, method.with_reference)] = measured
            done += 1
            tell("measuring", method.name, done, len(everything))
    return {
        method: {case.content: found[method][key_of(case, method.with_reference)] for case in cases}
        for method, cases in plan.measured.items()
    }


def measure(name: str, image: RatedImage) -> Measured:
    """One training-free method of one image: as it is defined, not turned; infinite values count as not defined."""
    if name == MIQANET:
        series = MRSeries(read_image(image.path)[np.newaxis], None, image.path.name)
        scorer = _scorer()
        start = time.process_time()
        score = scorer.score(series).slices[0].score
        value = np.nan if score is None else score
    else:
        pixels, clean = load(image)
        start = time.process_time()
        value = float(metrics.compute(name, pixels, clean if metrics.info(name).kind == "full_reference" else None))
    spent = 1000 * (time.process_time() - start)
    return Measured(value if np.isfinite(value) else np.nan, spent)


@cache
def _scorer() -> Scorer:
    return Scorer(device="cpu")


def learn_all(plan: Plan, cases: Sequence[Case], out: Path, workers: Workers, tell: Progress) -> dict[Method, Learned]:
    """All folds of all methods that learn, each kept in a folder below ``out`` when it is done."""
    images = [case.rated for case in cases]
    folders = {(method, split): out / _fold_name(method, split, cases) for split in plan.splits for method in plan.learned}
    missing = [(method, split) for (method, split), folder in folders.items() if kept(split, folder) is None]
    done = len(folders) - len(missing)
    if folders:
        tell("learning", "", done, len(folders))
    if missing:
        jobs = [(method.name, split, images, folders[method, split]) for method, split in missing]
        for number, _ in workers.do(learn, jobs):
            done += 1
            tell("learning", missing[number][0].name, done, len(folders))
    return {method: _learned([(split, folders[method, split]) for split in plan.splits]) for method in plan.learned}


def learn(name: str, split: Split, images: list[RatedImage], folder: Path) -> None:
    """Learn and test one fold, and write down what it cost; what the trainer says goes into a file beside it."""
    learn_from = learner_of(name)

    def timed(train: list[RatedImage], validation: list[RatedImage], out: Path) -> Predict:
        start = time.process_time()
        predict = learn_from(train, validation, out)
        seconds = time.process_time() - start

        def timed_predict(asked: list[RatedImage]) -> np.ndarray:
            start = time.process_time()
            predicted = predict(asked)
            # The first that is asked for is the test part, which nothing has been computed of before.
            if not (out / _COST).exists():
                cost = {"seconds": seconds, "milliseconds": 1000 * (time.process_time() - start) / len(asked)}
                (out / _COST).write_text(json.dumps(cost), encoding="utf-8")
            return predicted

        return timed_predict

    folder.mkdir(parents=True, exist_ok=True)
    (folder / _COST).unlink(missing_ok=True)
    with (folder / _LOG).open("w", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
        run(split, images, timed, folder)


def _fold_name(method: Method, split: Split, cases: Sequence[Case]) -> str:
    """A folder that no other images, scores, version or division share."""
    lines = [f"{case.content} {case.rated.path.name} {case.rated.reference} {case.rated.score!r}" for case in cases]
    depends = "\n".join([method.version, split.scheme, *split.test, split.validation, *lines])
    return f"{method.name}-{'-'.join(split.test)}-{hashlib.sha256(depends.encode()).hexdigest()[:12]}"


def _learned(parts: Sequence[tuple[Split, Path]]) -> Learned:
    folds, costs = [], []
    for split, folder in parts:
        tested = kept(split, folder)
        assert tested is not None, "every fold was learned"
        folds.append(tested)
        try:
            costs.append(json.loads((folder / _COST).read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise InputError(
                folder / _COST, f"cannot be read ({error})", "remove its folder, and the fold is learned anew"
            ) from None
    middle = [float(np.median([cost[key] for cost in costs])) for key in ("milliseconds", "seconds")]
    return Learned(folds, *middle)
