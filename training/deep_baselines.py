"""Whether the deep baselines learn: each is trained on simulated artefacts and judged on subjects that it never saw.

``python training/evaluate.py baselines --recipe training/recipes/miqanet_tiny_ninth_stage.toml --data DIR --out DIR``
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from baselines.deep import DEEP, learner
from miqanet_core.errors import InputError, ModelError
from miqanet_core.metrics.agreement import interval, srocc
from rated import RatedImage
from simulated_set import simulated_set
from sources import read_recipe

# What a method that has learned anything reaches.
LEARNED = 0.7


def judged(name: str, images: dict[str, list[RatedImage]], out: Path, workers: int) -> dict[str, Any]:
    """A baseline trained by its default settings; ``out`` is the run's folder. InputError or ModelError when it cannot start.

    ``srocc``: with the teacher, over all test images; ``low``, ``high``: its 95 % interval, clustered by subject; all None
    where the predictions are all the same.
    """
    predict = learner(name, workers=workers)(images["train"], images["validation"], out)
    test = images["test"]
    predicted, truth = predict(test), [image.score for image in test]
    settings = DEEP[name].settings.model_dump()
    about = {"title": DEEP[name].title, "paper": DEEP[name].paper, "simplified": DEEP[name].simplified, "settings": settings}
    try:
        low, high = interval("SROCC", predicted, truth, [image.reference for image in test])
        figures: dict[str, float | None] = {"srocc": srocc(predicted, truth), "low": low, "high": high}
    except ValueError:
        figures = dict.fromkeys(("srocc", "low", "high"))
    return {**about, **figures, "learned": (figures["srocc"] or 0) >= LEARNED}


def markdown(results: dict[str, Any], images: dict[str, list[RatedImage]]) -> str:
    """The table, what it was made on, and which methods did not learn."""
    subjects = {split: len({image.reference for image in found}) for split, found in images.items()}
    made_on = ", ".join(f"{len(found)} images of {subjects[split]} subjects to {split}" for split, found in images.items())
    lines = [
        "# The deep baselines on simulated artefacts",
        "",
        f"Artefacts are simulated and scored by the full-reference teacher; {made_on}. The interval (95 %) resamples test "
        f"subjects; with {subjects['test']} of them it is too narrow.",
        "",
        "| method | SROCC | interval | backbone | steps of |",
        "|---|---|---|---|---|",
    ]
    for found in sorted(results.values(), key=lambda found: -(found["srocc"] or -1)):
        figure, told = found["srocc"], found["settings"]
        shown = ("not defined", "") if figure is None else (f"{figure:.3f}", f"{found['low']:.3f} to {found['high']:.3f}")
        steps = f"{told['steps']} of {told['batch_size']} images"
        cells = (found["title"], *shown, told["backbone"] or "none", steps)
        lines.append(f"| {' | '.join(cells)} |")
    failed = [found["title"] for found in results.values() if not found["learned"]]
    lines += ["", f"Below {LEARNED}: {', '.join(failed) or 'none'}.", ""]
    return "\n".join(lines)


def main(
    recipe: Annotated[Path, typer.Option(help="A recipe whose sources are split by subject.")],
    data: Annotated[list[Path], typer.Option(help="Folder that holds the recipe's sources; may be given several times.")],
    out: Annotated[Path, typer.Option(help="Where the images, the runs and the tables go; give it again to go on.")],
    method: Annotated[list[str] | None, typer.Option(help="A baseline; may be given several times. All without it.")] = None,
    workers: Annotated[int, typer.Option(help="Processes that load images.")] = 0,
) -> None:
    """Train the deep baselines on simulated artefacts at their small budget, and judge them on held-out subjects."""
    names = method or list(DEEP)
    unknown = [name for name in names if name not in DEEP]
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: there are {', '.join(DEEP)}", param_hint="--method")
    results = {}
    try:
        images = simulated_set(read_recipe(recipe)["source"], data, out / "images")
        for number, name in enumerate(names, 1):
            file = out / f"{name}.json"
            if not file.exists():
                typer.echo(f"{number}/{len(names)} {DEEP[name].title}", err=True)
                file.write_text(json.dumps(judged(name, images, out / name, workers), indent=2), encoding="utf-8")
            results[name] = json.loads(file.read_text(encoding="utf-8"))
    except (InputError, ModelError) as error:
        raise SystemExit(f"error: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit("stopped; what is finished is kept, and the same command goes on from there") from None
    (out / "deep_baselines.json").write_text(json.dumps(results, indent=2), encoding="utf-8")
    table = markdown(results, images)
    (out / "deep_baselines.md").write_text(table, encoding="utf-8")
    typer.echo(table)
