"""What is compared: the methods, in groups, and which of them a set of images allows."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Literal

import typer

from baselines.deep import DEEP, learner
from benchmarking.cases import Case
from benchmarking.versions import made_of
from cross_validation import Learn, Split, folds_of
from learners import ridge
from miqanet_core import metrics
from miqanet_core.errors import ModelError
from miqanet_core.model import load_model

Group = Literal["full_reference", "no_reference", "deep", "mr", "ours"]
GROUPS: dict[Group, str] = {
    "full_reference": "full reference",
    "no_reference": "no reference",
    "deep": "deep",
    "mr": "MR measures",
    "ours": "ours",
}
LIST_IS_OURS = "The paper's exact lists are not public; only the counts are. This list is ours."
# Of the measures without reference, those of natural scenes; the others were made for MR.
NATURAL_SCENES = ("brisque", "niqe", "piqe", "ilniqe")
LEARNED_HERE = "learned here"
MIQANET, RIDGE = "miqanet", "ridge"


@dataclass(frozen=True)
class Method:
    """``learned``: from the rated images, by cross-validation; the others know nothing of them.

    ``better``: which values are the good ones. ``version``: changes whenever its values may. ``origin``: where its parameters
    come from, in a few words for the tables. ``about``: what else a reader may want to know.
    """

    name: str
    group: Group
    better: Literal["higher", "lower"]
    version: str
    origin: str
    about: str = ""
    learned: bool = False

    @property
    def with_reference(self) -> bool:
        """Whether it sees the undistorted image."""
        return self.group == "full_reference"

    def fits(self, case: Case) -> bool:
        """Whether it is defined for images of this size."""
        if self.learned or self.name == MIQANET:
            return True
        metric, (rows, columns) = metrics.info(self.name), case.size
        return metric.fits(rows, columns) and not (metric.even and (rows % 2 or columns % 2))


@dataclass(frozen=True)
class Plan:
    """``measured``: of each method the cases it is defined for. ``learned``: by ``splits``. ``notes``: what is left out."""

    measured: dict[Method, list[Case]]
    learned: list[Method]
    splits: list[Split]
    notes: list[str]


def chosen(names: str) -> list[Method]:
    """The methods of a list like "full_reference,niqe": groups, names, or "all"; each once, in the order of groups.

    typer.BadParameter for an unknown name.
    """
    known = {name: group for group, some in _names().items() for name in some}
    wanted: set[str] = set()
    for name in (part.strip() for part in names.split(",")):
        if name == "all":
            wanted |= set(known)
        elif name in GROUPS:
            wanted |= {each for each, group in known.items() if group == name}
        elif name in known:
            wanted.add(name)
        else:
            known[name] = _group_of(name, known)
            wanted.add(name)
    return [_method(name, group) for name, group in known.items() if name in wanted]


def _group_of(name: str, known: Iterable[str]) -> Group:
    """Of what is in no list: a measure refitted to one's own images, or one of pyiqa's."""
    try:
        return metrics.info(name).kind
    except ModelError as error:
        raise typer.BadParameter(str(error), param_hint="--methods") from None
    except ValueError as error:
        if ":" in name:
            raise typer.BadParameter(str(error), param_hint="--methods") from None
    there = f"all, {', '.join(GROUPS)}, niqe:FILE, ilniqe:FILE, pyiqa:NAME, or of {', '.join(known)}"
    raise typer.BadParameter(f"no method or group is called {name!r}; choose of {there}", param_hint="--methods")


def plan(methods: Sequence[Method], cases: Sequence[Case], folds: int) -> Plan:
    """Which methods can be put to the test on which cases; whatever cannot stands in the notes."""
    notes: list[str] = []
    if any(method.with_reference for method in methods) and not cases[0].reference_content:
        count = sum(method.with_reference for method in methods)
        notes.append(
            f"{count} full-reference methods are left out: the set comes without undistorted images; "
            "name their folder with --references."
        )
        methods = [method for method in methods if not method.with_reference]
    learned = [method for method in methods if method.learned]
    splits: list[Split] = []
    if learned:
        try:
            splits = folds_of([case.rated for case in cases], folds)
        except ValueError as error:
            notes.append(f"{', '.join(method.name for method in learned)}: left out, as {error}.")
            learned = []
    measured: dict[Method, list[Case]] = {}
    for method in methods:
        if method.learned:
            continue
        fit = [case for case in cases if method.fits(case)]
        if len(fit) < len(cases):
            unfit = Counter(case.size for case in cases if not method.fits(case))
            sizes = ", ".join(f"{rows} x {columns}" for rows, columns in unfit)
            left = "left out: " if not fit else ""
            notes.append(f"{method.name}: {left}not defined for the size of {unfit.total()} of {len(cases)} images ({sizes}).")
        if fit:
            measured[method] = fit
    return Plan(measured, learned, splits, notes)


def learner_of(name: str) -> Learn:
    """What has learned nothing yet, of a method that learns."""
    return ridge() if name == RIDGE else learner(name)


@cache
def _names() -> dict[Group, tuple[str, ...]]:
    without = metrics.names("no_reference")
    natural = tuple(name for name in without if name.split("_")[0] in NATURAL_SCENES)
    return {
        "full_reference": metrics.names("full_reference"),
        "no_reference": natural,
        "deep": tuple(DEEP),
        "mr": tuple(name for name in without if name not in natural),
        "ours": (RIDGE, MIQANET),
    }


def _method(name: str, group: Group) -> Method:
    if name in DEEP:
        baseline = DEEP[name]
        code = (f"baselines.{baseline.settings.file.stem}", "baseline_training", "cross_validation")
        version = made_of(*code, also=baseline.settings.model_dump_json())
        about = f"{baseline.paper} Simplified: {baseline.simplified}"
        return Method(name, group, "higher", version, LEARNED_HERE, about, learned=True)
    if name == RIDGE:
        about = "Ridge regression on frozen features of EfficientNet-Lite0, pre-trained on photographs."
        return Method(name, group, "higher", made_of("baselines.ridge", "cross_validation"), LEARNED_HERE, about, learned=True)
    if name == MIQANET:
        model = load_model().identity
        version = made_of("miqanet_core.scorer", "rated", also=model.weights_sha256)
        about = f"The shipped model {model.name}, version {model.version}, as it is: it learned from simulated artefacts."
        return Method(name, group, "higher", version, "trained on simulation", about)
    metric = metrics.info(name)
    made_by, _, detail = name.partition(":")
    also = ""
    if detail:
        also = package_version("pyiqa") if made_by == "pyiqa" else hashlib.sha256(Path(detail).read_bytes()).hexdigest()
    # A refitted measure is the function of its kind with a model put in.
    function = getattr(metric.function, "func", metric.function)
    return Method(name, group, metric.better, made_of(function.__module__, "benchmarking.pixels", also=also), metric.origin)
