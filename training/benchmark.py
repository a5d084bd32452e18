"""How well quality methods agree with people on MR: full-reference, no-reference, deep and our own, with statistics.

``python training/benchmark.py --dataset rad-iqmri --root DIR --methods all --out DIR``
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import Progress

from benchmarking.cases import Case, look_at
from benchmarking.files import write_files
from benchmarking.measuring import learn_all, measure_all
from benchmarking.methods import GROUPS, chosen, plan
from benchmarking.page import render_page
from benchmarking.pool import Workers
from benchmarking.progress import progress
from benchmarking.results import results_of
from benchmarking.store import Store
from miqanet_core.errors import InputError, ModelError
from rated import RatedImage, read_rated, title
from rated_facts import FACTS_FILE, REFERENCE_FOLDER, with_facts, with_references

PAGE = "benchmark.html"


def main(
    dataset: Annotated[Literal["rad-iqmri", "folder"], typer.Option(help="The data set's layout.")],
    root: Annotated[Path, typer.Option(help="The data set's folder.")],
    out: Annotated[Path, typer.Option(help="Where results go, and what is kept; give it again to go on.")],
    methods: Annotated[str, typer.Option(help=f"all, groups ({', '.join(GROUPS)}) or names, with commas between.")] = "all",
    references: Annotated[
        Path | None,
        typer.Option(help="Folder of undistorted images, each named after its reference; else Reference/ if it is there."),
    ] = None,
    folds: Annotated[int, typer.Option(help="Parts that the references are divided into for what learns here.", min=2)] = 4,
    processes: Annotated[int, typer.Option(help="Processes at work, each on one thread; by default one a core.", min=1)] = (
        os.cpu_count() or 1
    ),
) -> None:
    """Measure every method on every image, and write tables (CSV, Markdown, LaTeX) and a page (HTML)."""
    wanted = chosen(methods)
    try:
        cases = _look_at(_rated(dataset, root, references), root)
        planned = plan(wanted, cases, folds)
        if not planned.measured and not planned.learned:
            raise InputError(root, f"leaves no method to compare: {' '.join(planned.notes)}", "see --methods")
        for note in planned.notes:
            typer.echo(note, err=True)
        out.mkdir(parents=True, exist_ok=True)
        with progress() as tell, Workers(processes) as workers, Store(out / "measured.sqlite") as store:
            measured = measure_all(planned, store, workers, tell)
            learned = learn_all(planned, cases, out / "learned", workers, tell)
        data = title(dataset, root)
        results = results_of(planned, cases, measured, learned)
        table = write_files(data, results, out)
        (out / PAGE).write_text(render_page(data, results, len(planned.splits)), encoding="utf-8")
    except (InputError, ModelError) as error:
        raise SystemExit(f"error: {error}") from None
    except OSError as error:
        raise SystemExit(f"error: {error.filename or out}: {error.strerror}; check --root and --out") from None
    except KeyboardInterrupt:
        raise SystemExit("stopped; what is done is kept, and the same command goes on from there") from None
    typer.echo(table)
    typer.echo(f"{out / PAGE}", err=True)


def _rated(dataset: str, root: Path, references: Path | None) -> list[RatedImage]:
    images = read_rated(dataset, root)
    folder = references or root / REFERENCE_FOLDER
    if references or folder.is_dir():
        images = with_references(images, folder)
    if dataset != "folder" and (root / FACTS_FILE).exists():
        images = with_facts(images, root / FACTS_FILE)
    return images


def _look_at(images: list[RatedImage], root: Path) -> list[Case]:
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("looking at the images", total=len(images))
        return look_at(images, root, lambda: bar.advance(task))


if __name__ == "__main__":
    typer.run(main)
