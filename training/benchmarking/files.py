"""The benchmark as CSV, Markdown and LaTeX; each file says of which data it is."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarking.methods import GROUPS, LIST_IS_OURS
from benchmarking.results import Figure, Results, Row
from cross_validation import FIGURES
from cross_validation_report import digits_of
from tables import latex_table, markdown_table, with_range

COLUMNS = ("method", "kind", "parameters", "images", *FIGURES, "ms an image")
HEADINGS = {
    False: "Training-free: know nothing of these ratings; PLCC and RMSE after a logistic fitted to the same images",
    True: "Cross-validated: learned from these ratings, each image judged by a fold that never saw its reference",
}


def write_files(title: str, results: Results, out: Path) -> str:
    """Write all of them into ``out``; returns the table in Markdown. ``title``: what the data are called."""
    _csv(out / "ranking.csv", title, _ranking(results))
    _csv(out / "values.csv", title, _values(results))
    _csv(out / "groups.csv", title, _groups(results))
    _csv(out / "pairs.csv", title, _pairs(results))
    table = _markdown(title, results)
    (out / "table.md").write_text(table, encoding="utf-8")
    (out / "table.tex").write_text(_latex(title, results), encoding="utf-8")
    return table


def cells(row: Row) -> list[str]:
    """A row of :data:`COLUMNS`, as it is read."""
    figures = [_figure(row, name) for name in FIGURES]
    method = row.method
    return [method.name, GROUPS[method.group], method.origin, str(row.defined.sum()), *figures, f"{row.milliseconds:.3g}"]


def _figure(row: Row, name: str) -> str:
    found = {str(key): value for key, value in row.figures.items()}[name]
    return "not defined" if found is None else with_range(found.value, found.low, found.high, digits_of(name))


def below(results: Results) -> list[str]:
    """What must be read with the tables."""
    of_rows = [f"{row.method.name}: {note}." for row in results.rows for note in row.notes]
    return [LIST_IS_OURS, *results.limits, *results.notes, *of_rows]


def _csv(path: Path, title: str, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for number, row in enumerate(rows):
            writer.writerow(["data" if number == 0 else title, *row])


def _ranking(results: Results) -> Iterable[Sequence[object]]:
    figures = [f"{name}{part}" for name in FIGURES for part in ("", "_low", "_high")]
    about = ["version", "parameters", "about", "notes"]
    yield ["method", "kind", "training", "images", *figures, "milliseconds", "seconds_a_fold", *about]
    for row in results.rows:
        found = [part for name in FIGURES for part in _parts(row.figures[name])]
        training = "cross-validated" if row.method.learned else "training-free"
        method, notes = row.method, " ".join(f"{note}." for note in row.notes)
        told = [method.version, method.origin, method.about, notes]
        yield [method.name, method.group, training, row.defined.sum(), *found, row.milliseconds, row.seconds, *told]


def _parts(figure: Figure | None) -> tuple[object, ...]:
    return ("", "", "") if figure is None else (figure.value, figure.low, figure.high)


def _values(results: Results) -> Iterable[Sequence[object]]:
    yield ["method", "image", "reference", "artefact", "anatomy", "score", "value", "mapped"]
    for row in results.rows:
        for case, value, mapped in zip(results.cases, row.value, row.mapped, strict=True):
            rated = case.rated
            yield [row.method.name, rated.path.name, rated.reference, rated.artefact, rated.anatomy, rated.score, value, mapped]


def _groups(results: Results) -> Iterable[Sequence[object]]:
    yield ["method", "by", "group", "SROCC"]
    for row in results.rows:
        for by, groups in (("artefact", row.by_artefact), ("anatomy", row.by_anatomy)):
            yield from ([row.method.name, by, name, "" if value is None else value] for name, value in groups.items())


def _pairs(results: Results) -> Iterable[Sequence[object]]:
    yield ["method", "other", "SROCC_difference", "p", "p_holm", "variance_ratio", "p_F", "p_F_holm", "residuals_normal"]
    pairs, variances = results.pairs, results.variances
    if pairs is None or variances is None:
        return
    for i, name in enumerate(pairs.names):
        for j in range(i + 1, len(pairs.names)):
            by_rank = [pairs.difference[i, j], pairs.p[i, j], pairs.p_holm[i, j]]
            by_variance = [variances.ratio[i, j], variances.p[i, j], variances.p_holm[i, j], variances.valid[i, j]]
            yield [name, pairs.names[j], *by_rank, *by_variance]


def _markdown(title: str, results: Results) -> str:
    lines = [f"# {title}", ""]
    for learned, heading in HEADINGS.items():
        rows = results.part(learned=learned)
        if rows:
            lines += [f"## {heading}", "", markdown_table(COLUMNS, [cells(row) for row in rows], 3), ""]
    return "\n".join([*lines, *(f"* {text}" for text in below(results))]) + "\n"


def _latex(title: str, results: Results) -> str:
    found = []
    for learned, heading in HEADINGS.items():
        rows = results.part(learned=learned)
        if rows:
            caption = f"{title}. {heading}. {' '.join(below(results))}"
            found.append(latex_table(caption, COLUMNS, [cells(row) for row in rows], 3))
    return "\n".join(found)
