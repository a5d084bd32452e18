"""The model card: how good a model is on subjects it never saw."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from jinja2 import Environment, FileSystemLoader, StrictUndefined

import physics
from baselines import ridge
from comparison import compare
from figures import RISE, artifact_figures, by, by_series, interval_figures, ladder_figures, subject_of
from fit_domain import domain_figures
from held_out import PLAIN, SEVERITIES, Ladder, climb, rungs
from miqanet_core import artifacts
from miqanet_core.errors import InputError, ModelError
from miqanet_core.model import MIQANet, load_model
from miqanet_core.scorer import Scorer
from settings import SimulatedSettings, parse
from simulated_training import tiles_for
from sources import Reference, Source, learnt_anatomies, only_mr, read_recipe, references

# Groups of tiles that the ridge learns from.
RIDGE_GROUPS = 300


def held_out(sources: Sequence[Source], data: list[Path], slices: int, splits: Sequence[str]) -> list[Reference]:
    """Clean slices of the sources of these splits, ``slices`` of each series."""
    return references([s for s in sources if s.split in splits], data, slices)


def one_a_series(ladders: Sequence[Ladder]) -> list[Ladder]:
    """The middle ladder of each series: what costs much is measured on these."""
    return [some[len(some) // 2] for some in by_series(ladders)]


def ridge_ladders(
    ladders: Sequence[Ladder],
    stacks: Sequence[np.ndarray],
    network: MIQANet,
    settings: SimulatedSettings,
    sources: Sequence[Source],
    data: list[Path],
) -> list[Ladder]:
    """The same ladders, scored by the baseline: ridge on frozen features, learnt from the recipe's own training tiles."""
    learnt = [s for s in sources if s.split == "train"]
    subjects = list(dict.fromkeys(s.subject for s in learnt))
    tiles, truth, groups = [], [], []
    for subject in subjects:
        own = references([s for s in learnt if s.subject == subject], data, settings.slices_per_series)
        simulated = tiles_for(network, settings, own, RIDGE_GROUPS // len(subjects), settings.seed)
        for i in range(len(simulated)):
            group = simulated[i]
            tiles += list(group["tiles"].numpy())
            truth += group["score"].tolist()
            groups += [subject] * len(group["score"])
    predict = ridge.fit(ridge.features(tiles), 100 * np.array(truth), groups)
    return [replace(each, score=predict(ridge.features(list(stack)))) for each, stack in zip(ladders, stacks, strict=True)]


def comparison_figures(
    ladders: Sequence[Ladder], network: MIQANet, settings: SimulatedSettings, sources: Sequence[Source], data: list[Path]
) -> dict[str, Any]:
    """The model, the ridge and measures without reference on the same images: one slice of each held-out series."""
    stacks = [rungs(each.reference.image, each.seed) for each in ladders]
    pristine = [r.image for r in held_out(only_mr(sources), data, 4, ("train",))]
    rows = compare(
        [image for stack in stacks for image in stack],
        [each.reference.source.subject for each in ladders for _ in each.score],
        np.concatenate([each.teacher for each in ladders]),
        pristine,
    )
    return {
        "model": ladder_figures(ladders, settings.seed),
        "ridge": ladder_figures(ridge_ladders(ladders, stacks, network, settings, sources, data), settings.seed),
        "measures": rows,
    }


def evaluate(
    model: str, settings: SimulatedSettings, sources: Sequence[Source], data: list[Path], slices: int
) -> dict[str, Any]:
    """All figures of the model card."""
    loaded = load_model(model)
    seed, scorer, names = settings.seed, Scorer(model), loaded.config.artifacts
    ladders = climb(scorer, held_out(sources, data, slices, ("test", "validation")))
    test = [each for each in ladders if each.reference.source.split == "test"]
    learnt = learnt_anatomies(sources)
    unseen = [each for each in test if each.reference.source.anatomy not in learnt]
    some = one_a_series(test)
    return {
        **ladder_figures(test, seed),
        "unseen_anatomies": ladder_figures(unseen, seed),
        "artifact_head": artifact_figures(ladders, names) if names else None,
        "interval": interval_figures(ladders),
        "domain": domain_figures(loaded, sources, data) if "domain.limit" in loaded.extras else None,
        "held_out_subjects": len(by(ladders, subject_of)),
        "comparison": comparison_figures(some, loaded.network, settings, sources, data),
        "averaging": physics.averaging(scorer),
        "noise_averaged": physics.noise_averaged(scorer, [each.reference for each in test], seed),
        "lines_removed": physics.lines_removed(scorer, [each.reference for each in test]),
        "equal_energy": physics.equal_energy(scorer, [each.reference for each in some], seed),
    }


def read_left_out(path: Path) -> dict[str, Any]:
    """The figures that the command left-out wrote; InputError when they are none."""
    cure = "make it with: training/evaluate.py left-out"
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not {"recipe", "weights_sha256", "steps", "artifacts"} <= document.keys():
            raise ValueError("entries are missing")
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", cure) from None
    except (ValueError, AttributeError) as error:
        raise InputError(path, f"holds no figures of left-out artefacts ({error})", cure) from None
    return document


def write_card(card: Path, recipe_file: Path, recipe: dict[str, Any], model: str, figures: dict[str, Any]) -> None:
    """The model card in Markdown, from the template beside this file."""
    loaded = load_model(model)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    environment.filters["interval"] = lambda figure: f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"
    environment.filters["percent"] = lambda share: f"{100 * share:.1f}"
    text = environment.get_template("model_card.md.jinja").render(
        figures=figures,
        recipe=recipe,
        recipe_name=recipe_file.name,
        identity=loaded.identity,
        parameters=sum(p.numel() for p in loaded.network.parameters()) / 1e6,
        severities=SEVERITIES,
        plain=PLAIN,
        rise=RISE,
        artifacts=artifacts.names(),
        torch=version("torch"),
        today=date.today().isoformat(),
    )
    card.write_text(text, encoding="utf-8")


def main(
    recipe: Annotated[Path, typer.Option(help="The recipe that the model was trained by: it names the held-out subjects.")],
    data: Annotated[list[Path], typer.Option(help="Folder that holds the recipe's sources; may be given several times.")],
    model: Annotated[str, typer.Option(help="A model's name, or a weights file.")] = "default",
    slices: Annotated[int, typer.Option(help="Clean slices taken of each held-out series.")] = 2,
    left_out: Annotated[
        Path | None, typer.Option(help="Figures of a model whose training left artefacts out, from the command left-out.")
    ] = None,
    figures: Annotated[Path | None, typer.Option(help="Write all figures to this JSON file.")] = None,
    card: Annotated[Path | None, typer.Option(help="Write the model card to this Markdown file.")] = None,
) -> None:
    """Score severity ladders of every artefact on subjects the model never saw, and print how it did."""
    try:
        contents = read_recipe(recipe)
        settings = parse(SimulatedSettings, recipe, contents["training"])
        other = read_left_out(left_out) if left_out else None  # before the long work: a wrong name should not wait
        result = {**evaluate(model, settings, contents["source"], data, slices), "left_out": other}
        if card:
            write_card(card, recipe, contents, model, result)
    except (InputError, ModelError) as error:
        raise SystemExit(f"error: {error}") from None
    text = json.dumps(result, indent=2)
    if figures:
        figures.write_text(text, encoding="utf-8")
    print(text)
