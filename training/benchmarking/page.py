"""The benchmark as one HTML file that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined

from benchmarking import charts
from benchmarking.files import HEADINGS, cells
from benchmarking.methods import GROUPS, LIST_IS_OURS
from benchmarking.results import Results, Row, anatomy_of, artefact_of, names
from cross_validation import FIGURES
from miqanet_core.presenter import DARK, LIGHT, NOTICE
from miqanet_core.version import version
from rated import STAND_IN_CAVEAT, STAND_IN_TITLE


def render_page(title: str, results: Results, folds: int) -> str:
    """The page. ``title``: what the data are called. ``folds``: of the cross-validated methods."""
    loader = ChoiceLoader([FileSystemLoader(Path(__file__).parent), PackageLoader("miqanet_core", "report")])
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    lows = [found.low for row in results.rows if (found := row.figures["SROCC"])]
    return environment.get_template("page.html").render(
        title=title,
        caveat=STAND_IN_CAVEAT if title == STAND_IN_TITLE else "",
        results=results,
        parts=[(heading, rows) for learned, heading in HEADINGS.items() if (rows := results.part(learned=learned))],
        verdict=verdict(results),
        list_is_ours=LIST_IS_OURS,
        folds=folds,
        figures=list(FIGURES),
        groups=GROUPS,
        cells=cells,
        charts=charts,
        least=float(np.floor(10 * min(0.0, *lows)) / 10) if lows else 0.0,
        kinds={"artefact": names(results.cases, artefact_of), "anatomy": names(results.cases, anatomy_of)},
        references=len({case.rated.reference for case in results.cases}),
        light=LIGHT._asdict(),
        dark=DARK._asdict(),
        notice=NOTICE,
        version=version(),
        when=datetime.now().astimezone(),
    )


def verdict(results: Results) -> list[str]:
    """What was found, in words."""
    sentences = []
    for learned, what in ((False, "training-free"), (True, "cross-validated")):
        rows = [row for row in results.part(learned=learned) if row.figures["SROCC"]]
        if rows:
            sentences.append(_best(rows, what, results))
    pairs = results.pairs
    if pairs is not None:
        upper = np.triu_indices(len(pairs.names), 1)
        sure, count = int((pairs.p_holm[upper] < charts.LEVEL).sum()), len(upper[0])
        unsure = int((pairs.p[upper] < charts.LEVEL).sum())
        sentences.append(
            f"Of {count} pairs of methods, {sure} differ in SROCC after Holm's correction; without it, {unsure} would."
        )
    front = charts.cheapest(results.rows)
    if len(front) > 1:
        told = ", ".join(f"{row.method.name} ({row.milliseconds:.2g} ms)" for row in front)
        sentences.append(f"No method is both faster and better than one of these: {told}.")
    return sentences


def _best(rows: list[Row], what: str, results: Results) -> str:
    best, found = rows[0], rows[0].figures["SROCC"]
    assert found is not None
    among = f"Of {len(rows)} {what} methods, {best.method.name} orders the images most like their scores"
    sentence = (
        f"{among if len(rows) > 1 else f'The one {what} method is {best.method.name}'}: "
        f"SROCC {found.value:.3f} (95 % interval {found.low:.3f} to {found.high:.3f})"
    )
    pairs = results.pairs
    others = [row.method.name for row in rows[1:] if pairs and row.method.name in pairs.names]
    if pairs is None or best.method.name not in pairs.names or not others:
        return sentence + "."
    at = pairs.names.index(best.method.name)
    like = [name for name in others if pairs.p_holm[at, pairs.names.index(name)] >= charts.LEVEL]
    return f"{sentence}; of {len(others)} others with a value for every image, {len(like) or 'none'} cannot be told from it."
