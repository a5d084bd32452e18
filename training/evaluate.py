"""How good a model is on subjects it never saw, and its model card.

``python training/evaluate.py --recipe training/recipes/miqanet_tiny.toml --data DIR --model default --card FILE``
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, median
from typing import Annotated, Any

import numpy as np
import torch
import typer
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.progress import track
from scipy.stats import kendalltau, spearmanr

from miqanet_core import artifacts
from miqanet_core.errors import InputError, ModelError
from miqanet_core.model import load_model
from miqanet_core.scorer import Scorer
from miqanet_core.series import MRSeries
from simulated import intensity_range
from sources import Reference, read_recipe, references
from teacher import judge

# The rungs of a ladder, besides the clean slice.
SEVERITIES = (0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0)
# From here on a degraded slice must score below the clean one.
PLAIN = 0.3


def ladders(image: np.ndarray, seed: int) -> np.ndarray:
    """The clean slice, then each artefact at each severity: (1 + artefacts * severities, rows, columns)."""
    rungs = [artifacts.simulate(image, name, severity, seed) for name in artifacts.names() for severity in SEVERITIES]
    return np.stack([image, *rungs]).astype(np.float32)


def teacher_scores(stack: np.ndarray) -> np.ndarray:
    """The teacher's score, 0..100, of each slice of ``stack`` against its first."""
    rows, columns = (side // 2 * 2 for side in stack.shape[1:])
    low, high = intensity_range(stack[0])
    images = torch.from_numpy((stack[:, None, :rows, :columns] - low) / (high - low)).float().clamp(0, 1)
    return np.array([100 * float(judge(image[None], images[:1], 1).score) for image in images])


def ladder_figures(scores: np.ndarray) -> dict[str, dict[str, float]]:
    """Of one slice, for each artefact: Kendall's tau of score against severity, and the share of plain rungs below clean."""
    clean, rungs = scores[0], scores[1:].reshape(len(artifacts.names()), len(SEVERITIES))
    plain = np.array(SEVERITIES) >= PLAIN
    return {
        name: {
            "tau": float(-kendalltau([0, *SEVERITIES], [clean, *rung]).statistic),
            "clean_above": float((rung[plain] < clean).mean()),
        }
        for name, rung in zip(artifacts.names(), rungs, strict=True)
    }


def evaluate(scorer: Scorer, test: Sequence[Reference], seed: int) -> dict[str, Any]:
    """All figures of the model card, from clean slices of subjects that no training saw."""
    slices: list[dict[str, Any]] = []
    for number, reference in enumerate(track(test, "scoring held-out slices")):
        stack = ladders(reference.image, seed + number)
        quality = scorer.score(MRSeries(stack, None, reference.source.subject, "MR"))
        scores = np.array([np.nan if s.score is None else s.score for s in quality.slices])
        slices.append({"source": reference.source, "score": scores, "teacher": teacher_scores(stack)})
    return summary(slices)


def summary(slices: list[dict[str, Any]]) -> dict[str, Any]:
    """Figures by artefact, by subject and overall. Raises ValueError when a slice was not scored: nothing is left out."""
    if any(np.isnan(s["score"]).any() for s in slices):
        raise ValueError("some degraded slices were not scored; the figures would flatter the model")
    by_ladder = [ladder_figures(s["score"]) for s in slices]
    by_artifact = {
        name: {key: fmean(figures[name][key] for figures in by_ladder) for key in ("tau", "clean_above")}
        for name in artifacts.names()
    }
    subjects: dict[str, list[dict[str, Any]]] = {}
    for s in slices:
        subjects.setdefault(s["source"].subject, []).append(s)
    by_subject = {subject: subject_figures(of_subject) for subject, of_subject in subjects.items()}
    clean = [s["score"][0] for s in slices]
    return {
        "by_artifact": by_artifact,
        "by_subject": by_subject,
        "least_tau": min(f["tau"] for f in by_artifact.values()),
        "median_srocc": median(f["srocc"] for f in by_subject.values()),
        "clean_above": fmean(f["clean_above"] for f in by_artifact.values()),
        "mean_absolute_error": fmean(float(np.abs(s["score"] - s["teacher"]).mean()) for s in slices),
        "clean_5_to_95": [float(p) for p in np.percentile(clean, (5, 95))],
        "slices": len(slices),
        "images": sum(len(s["score"]) for s in slices),
    }


def subject_figures(slices: list[dict[str, Any]]) -> dict[str, Any]:
    """Of one subject: rank correlation with the teacher over all its images, and how its clean slices score."""
    score, teacher = (np.concatenate([s[key] for s in slices]) for key in ("score", "teacher"))
    sources = {s["source"] for s in slices}
    return {
        "anatomy": ", ".join(sorted({source.anatomy for source in sources})),
        "contrast": ", ".join(sorted({source.contrast for source in sources})),
        "vendor": ", ".join(sorted({source.vendor for source in sources})),
        "srocc": float(spearmanr(score, teacher).statistic),
        "clean_score": fmean(float(s["score"][0]) for s in slices),
        "slices": len(slices),
    }


def write_card(card: Path, recipe_file: Path, recipe: dict[str, Any], model: str, figures: dict[str, Any]) -> None:
    """The model card in Markdown, from the template beside this file."""
    loaded = load_model(model)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    text = environment.get_template("model_card.md.jinja").render(
        figures=figures,
        recipe=recipe,
        recipe_name=recipe_file.name,
        identity=loaded.identity,
        parameters=sum(p.numel() for p in loaded.network.parameters()) / 1e6,
        severities=SEVERITIES,
        plain=PLAIN,
        artifacts=artifacts.names(),
        torch=version("torch"),
        today=date.today().isoformat(),
    )
    card.write_text(text, encoding="utf-8")


def main(
    recipe: Annotated[Path, typer.Option(help="The recipe that the model was trained by: it names the held-out subjects.")],
    data: Annotated[list[Path], typer.Option(help="Folder that holds the recipe's sources; may be given several times.")],
    model: Annotated[str, typer.Option(help="A model's name, or a weights file.")] = "default",
    slices: Annotated[int, typer.Option(help="Clean slices taken of each held-out series; one takes minutes.")] = 1,
    figures: Annotated[Path | None, typer.Option(help="Write all figures to this JSON file.")] = None,
    card: Annotated[Path | None, typer.Option(help="Write the model card to this Markdown file.")] = None,
) -> None:
    """Score severity ladders of every artefact on subjects the model never saw, and print how it did."""
    try:
        contents = read_recipe(recipe)
        test = references([s for s in contents["source"] if s.split == "test"], data, slices)
        result = evaluate(Scorer(model), test, contents["training"]["seed"])
        if card:
            write_card(card, recipe, contents, model, result)
    except (InputError, ModelError) as error:
        raise SystemExit(f"error: {error}") from None
    text = json.dumps(result, indent=2)
    if figures:
        figures.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    typer.run(main)
