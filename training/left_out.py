"""How a model judges artefacts that its training never drew.

``python training/evaluate.py left-out --recipe training/recipes/miqanet_tiny_left_out.toml --data DIR --model FILE --out FILE``
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from figures import left_out_figures
from held_out import climb
from miqanet_core import artifacts
from miqanet_core.errors import InputError, ModelError
from miqanet_core.model import load_model
from miqanet_core.scorer import Scorer
from settings import SimulatedSettings, parse
from sources import read_recipe, references


def main(
    recipe: Annotated[Path, typer.Option(help="The recipe that the model was trained by; it draws only some artefacts.")],
    data: Annotated[list[Path], typer.Option(help="Folder that holds the recipe's sources; may be given several times.")],
    model: Annotated[Path, typer.Option(help="The weights that train.py wrote by that recipe.")],
    out: Annotated[Path, typer.Option(help="Where the figures go (JSON); the model card reads them.")],
    slices: Annotated[int, typer.Option(help="Clean slices taken of each held-out series.")] = 2,
) -> None:
    """Judge artefacts that the training left out, on subjects that it left out too."""
    try:
        contents = read_recipe(recipe)
        settings = parse(SimulatedSettings, recipe, contents["training"])
        unseen = [name for name in artifacts.names() if not settings.artifacts.get(name)]
        if not unseen:
            raise InputError(recipe, "leaves no artefact out", "list only some under [training.artifacts]")
        loaded = load_model(model)
        if loaded.metadata.get("recipe") != recipe.name:
            raise InputError(model, f"was not trained by {recipe.name}", f"train it: train.py --recipe {recipe}")
        test = references([s for s in contents["source"] if s.split == "test"], data, slices)
        found = left_out_figures(climb(Scorer(model), test), unseen, settings.seed)
    except (InputError, ModelError) as error:
        raise SystemExit(f"error: {error}") from None
    document = {"recipe": recipe.name, "weights_sha256": loaded.identity.weights_sha256, "steps": settings.steps}
    out.write_text(json.dumps({**document, "artifacts": found}, indent=2), encoding="utf-8")
    print(out)
