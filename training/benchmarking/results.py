"""The figures of every method, from its values: agreement with intervals, by artefact and anatomy, methods in pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarking.cases import Case
from benchmarking.measuring import Learned
from benchmarking.methods import Method, Plan
from benchmarking.store import Measured
from cross_validation import FIGURES, MAPPED
from miqanet_core.metrics import agreement
from miqanet_core.metrics.agreement import FigureName, fit_mapping, interval, srocc
from miqanet_core.metrics.limits import limits
from miqanet_core.metrics.residual_variance import VarianceTests, residual_variance
from miqanet_core.metrics.significance import PairwiseTests, pairwise

# A rank correlation of fewer images than this is not shown.
LEAST_OF_A_GROUP = 5


@dataclass(frozen=True)
class Figure:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Row:
    """A method on N images, in their order.

    ``value``: (N,) as the method gives it, NaN where it is not defined. ``turned``: the same, higher is better. ``mapped``: on
    the scores' scale, by ``curve``, or by that of each fold when ``curve`` is None. ``figures``: None where one is not defined.
    ``milliseconds``: median over images, of one core. ``seconds``: to learn one fold, 0 for what does not learn here.
    ``by_artefact``, ``by_anatomy``: SROCC within each, None where it is not defined. ``notes``: what a reader must know.
    """

    method: Method
    value: np.ndarray
    turned: np.ndarray
    mapped: np.ndarray
    curve: agreement.Mapping | None
    figures: dict[FigureName, Figure | None]
    milliseconds: float
    seconds: float
    by_artefact: dict[str, float | None]
    by_anatomy: dict[str, float | None]
    notes: tuple[str, ...]

    @property
    def defined(self) -> np.ndarray:
        """Which images it has a value for."""
        return np.isfinite(self.value)


@dataclass(frozen=True, eq=False)
class Results:
    """``rows``: best first, by SROCC. ``pairs``, ``variances``: of the methods that are defined for all images, in the order of
    ``rows``; None when there are fewer than two. ``limits``: what so few images can and cannot show. ``notes``: what is left
    out.
    """

    cases: Sequence[Case]
    rows: list[Row]
    pairs: PairwiseTests | None
    variances: VarianceTests | None
    limits: tuple[str, ...]
    notes: list[str]

    def part(self, *, learned: bool) -> list[Row]:
        """The cross-validated methods, or the others."""
        return [row for row in self.rows if row.method.learned == learned]


def results_of(
    plan: Plan,
    cases: Sequence[Case],
    measured: Mapping[Method, Mapping[str, Measured]],
    learned: Mapping[Method, Learned],
) -> Results:
    """All figures; nothing here takes long."""
    rows = [_training_free(method, cases, values) for method, values in measured.items()]
    rows += [_cross_validated(method, cases, found) for method, found in learned.items()]
    rows.sort(key=lambda row: -srocc_of(row))
    whole = {row.method.name: row for row in rows if row.defined.all() and row.figures["SROCC"]}
    pairs, variances = None, None
    score = _scores(cases)
    if len(whole) > 1:
        pairs = pairwise({name: row.turned for name, row in whole.items()}, score, _references(cases))
        variances = residual_variance({name: row.mapped for name, row in whole.items()}, score)
    told = limits(len(cases), len(set(_references(cases))), len(whole))
    return Results(cases, rows, pairs, variances, told, plan.notes)


def srocc_of(row: Row) -> float:
    """By which methods are ranked; -1 where it is not defined."""
    found = row.figures["SROCC"]
    return -1.0 if found is None else found.value


def _scores(cases: Sequence[Case]) -> np.ndarray:
    return np.array([case.rated.score for case in cases])


def _references(cases: Sequence[Case]) -> list[str]:
    return [case.rated.reference for case in cases]


def _training_free(method: Method, cases: Sequence[Case], values: Mapping[str, Measured]) -> Row:
    """Its mapping is fitted to the very images it is judged on, as the field does; it has four parameters."""
    value = np.array([values[case.content].value if case.content in values else np.nan for case in cases])
    turned = value if method.better == "higher" else -value
    defined = np.isfinite(value)
    curve: agreement.Mapping | None = None
    notes: tuple[str, ...] = ()
    mapped = np.full(len(cases), np.nan)
    try:
        curve = fit_mapping(value[defined], _scores(cases)[defined])
        mapped[defined] = curve(value[defined])
        notes = (curve.note,) if curve.note else ()
    except ValueError as error:
        notes = (f"not mapped: {error}",)
    milliseconds = float(np.median([each.milliseconds for each in values.values()]))
    return _row(method, cases, value, turned, mapped, curve, milliseconds, 0.0, notes)


def _cross_validated(method: Method, cases: Sequence[Case], found: Learned) -> Row:
    both = np.full((len(cases), 2), np.nan)
    for fold in found.folds:
        # A fold keeps its images in the order of the set.
        tested = [case.rated.reference in fold.split.test for case in cases]
        both[tested] = np.stack([fold.predicted, fold.mapped], 1)
    notes = tuple(f"fold {' and '.join(fold.split.test)}: {fold.note}" for fold in found.folds if fold.note)
    return _row(method, cases, both[:, 0], both[:, 0], both[:, 1], None, found.milliseconds, found.seconds, notes)


def _row(
    method: Method,
    cases: Sequence[Case],
    value: np.ndarray,
    turned: np.ndarray,
    mapped: np.ndarray,
    curve: agreement.Mapping | None,
    milliseconds: float,
    seconds: float,
    notes: tuple[str, ...],
) -> Row:
    defined = np.isfinite(value)
    score, references = (
        _scores(cases)[defined],
        [name for name, there in zip(_references(cases), defined, strict=True) if there],
    )
    figures: dict[FigureName, Figure | None] = {}
    for name, figure in FIGURES.items():
        x = (mapped if name in MAPPED else turned)[defined]
        try:
            figures[name] = Figure(figure(x, score), *interval(name, x, score, references))
        except ValueError as error:
            figures[name] = None
            notes = (*notes, f"{name}: {error}")
    if not defined.all():
        notes = (f"defined for {defined.sum()} of {len(cases)} images", *notes)
    groups = [
        {name: _within(turned, cases, [part(case) == name for case in cases]) for name in names(cases, part)}
        for part in (artefact_of, anatomy_of)
    ]
    return Row(method, value, turned, mapped, curve, figures, milliseconds, seconds, groups[0], groups[1], notes)


def artefact_of(case: Case) -> str:
    return case.rated.artefact


def anatomy_of(case: Case) -> str:
    return case.rated.anatomy


def names(cases: Sequence[Case], part: Callable[[Case], str]) -> list[str]:
    """The artefacts or anatomies that are told, by name."""
    return sorted({part(case) for case in cases} - {""})


def _within(turned: np.ndarray, cases: Sequence[Case], which: list[bool]) -> float | None:
    kept = np.array(which) & np.isfinite(turned)
    try:
        return srocc(turned[kept], _scores(cases)[kept]) if kept.sum() >= LEAST_OF_A_GROUP else None
    except ValueError:
        return None
