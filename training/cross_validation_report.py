"""What a cross-validation leaves behind: predictions, a table in three formats, plots and JSON, each with the data's name."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cross_validation import FIGURES, Tested, summary
from rated import STAND_IN_TITLE
from tables import latex_table, markdown_table, with_range

# What the rows of the table are called.
ROWS = {"pooled": "all test images (95 % interval)", "median": "median split (least to greatest)"}
_COLUMNS = ("splits", "over", "images", *FIGURES)
PREDICTIONS = ("data", "method", "splits", "split", "image", "reference", "score", "predicted", "mapped")
# Unlike in colour or shape, so that 20 references can be told apart in print as well.
MARKERS = "os^Dv"


def write_report(title: str, method: str, made_with: dict[str, Any], finished: dict[str, list[Tested]], out: Path) -> str:
    """Write all files below ``out`` and return the table in Markdown.

    ``title``: heads every file: :func:`rated.title`. ``finished``: of each scheme, :func:`cross_validation.cross_validate`.
    """
    summaries = {scheme: summary(tested) for scheme, tested in finished.items()}
    with (out / "predictions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(PREDICTIONS)
        writer.writerows([title, method, *row] for tested in finished.values() for one in tested for row in _predictions(one))
    with (out / "table.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        columns = [f"{name}{part}" for name in FIGURES for part in ("", "_low", "_high")]
        writer.writerow(["data", "method", "splits", "over", "images", *columns])
        writer.writerows([title, method, *row] for row in _numbers(summaries))
    table = markdown(title, method, summaries)
    (out / "table.md").write_text(table, encoding="utf-8")
    (out / "table.tex").write_text(latex(title, method, summaries), encoding="utf-8")
    for scheme, tested in finished.items():
        figure = scatter(title, method, scheme, tested, summaries[scheme])
        FigureCanvasAgg(figure).print_png(out / f"scatter-{scheme}.png")
    results = {"data": title, "method": method, "made_with": made_with, "schemes": summaries}
    (out / "results.json").write_text(json.dumps(results, indent=2), encoding="utf-8")
    return table


def markdown(title: str, method: str, summaries: dict[str, Any]) -> str:
    """The table, and under it what was not defined."""
    lines = [f"**{title}**, {method}", "", markdown_table(_COLUMNS, _texts(summaries), 2), ""]
    lines += [f"* {note}" for found in summaries.values() for note in found["notes"]]
    return "\n".join(lines).rstrip() + "\n"


def latex(title: str, method: str, summaries: dict[str, Any]) -> str:
    """The table as a LaTeX float that needs no package."""
    notes = "".join(f" {note}." for found in summaries.values() for note in found["notes"])
    return latex_table(f"{title}: agreement of {method} with the scores.{notes}", _COLUMNS, _texts(summaries), 2)


def scatter(title: str, method: str, scheme: str, finished: list[Tested], found: dict[str, Any]) -> Figure:
    """Score against mapped prediction of every test image, each reference in a colour and shape of its own."""
    figure = Figure(figsize=(6.4, 6.4), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    references = sorted({name for tested in finished for name in tested.references})
    for number, reference in enumerate(references):
        points = [
            (x, y)
            for tested in finished
            for x, y, name in zip(tested.mapped, tested.score, tested.references, strict=True)
            if name == reference
        ]
        shape = MARKERS[number // 10 % len(MARKERS)]
        axes.plot(*zip(*points, strict=True), shape, color=f"C{number % 10}", markersize=4, alpha=0.6, label=reference)
    axes.axline((0, 0), slope=1, color="0.6", linewidth=1, zorder=0)
    labels = {"xlabel": "predicted score, mapped by the training part's logistic", "ylabel": "score"}
    axes.set(**labels, xlim=(-2, 102), ylim=(-2, 102), aspect="equal")
    if len(references) <= 20:
        axes.legend(fontsize="small", loc="upper left")
    figures = ", ".join(f"{name} {_cell(name, found['pooled'][name])}" for name in ("SROCC", "PLCC"))
    axes.set_title(f"{title}\n{method}, {scheme}: {figures}", fontsize="medium")
    if title == STAND_IN_TITLE:
        # A title is easily cropped off; this is not.
        mark: dict[str, Any] = {"fontsize": 40, "color": "0.85", "rotation": 45, "ha": "center", "va": "center", "zorder": -1}
        axes.text(0.5, 0.5, "SIMULATED", transform=axes.transAxes, **mark)
    return figure


def _predictions(tested: Tested) -> list[list[str | float]]:
    split = [tested.split.scheme, " and ".join(tested.split.test)]
    columns = (tested.images, tested.references, tested.score, tested.predicted, tested.mapped)
    return [[*split, *row] for row in zip(*columns, strict=True)]


def _numbers(summaries: dict[str, Any]) -> list[list[str | float | None]]:
    rows = []
    for scheme, found in summaries.items():
        for key in ROWS:
            cells = [(found[key][name] or {}).get(part) for name in FIGURES for part in ("value", "low", "high")]
            rows.append([scheme, key, found["images"], *cells])
    return rows


def _texts(summaries: dict[str, Any]) -> list[list[str]]:
    return [
        [scheme, text, str(found["images"]), *(_cell(name, found[key][name]) for name in FIGURES)]
        for scheme, found in summaries.items()
        for key, text in ROWS.items()
    ]


def _cell(name: str, found: dict[str, float] | None) -> str:
    """A figure with its range: correlations to three digits, an error to one."""
    if found is None:
        return "not defined"
    return with_range(found["value"], found["low"], found["high"], digits_of(name))


def digits_of(figure: str) -> int:
    """Decimals that are shown of a figure."""
    return 1 if figure == "RMSE" else 3
