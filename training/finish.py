"""Fit what stands on a trained network: the artefacts' probabilities, the score's interval, the in-domain check.

``python training/finish.py --recipe FILE --data DIR --model WEIGHTS --out WEIGHTS``
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from figures import LEVEL, fit_reader, series_scores
from fit_domain import fit_domain
from held_out import climb
from miqanet_core import uncertainty
from miqanet_core.errors import InputError, ModelError
from miqanet_core.model import load_model, save_weights
from miqanet_core.scorer import Scorer
from sources import read_recipe, references


def finish(model: Path, recipe_file: Path, data: list[Path], slices: int, out: Path) -> None:
    """Write ``model`` to ``out`` with its interval, its in-domain check and, if it has an artefact head, the probabilities."""
    recipe = read_recipe(recipe_file)
    loaded = load_model(model)
    unseen = [s for s in recipe["source"] if s.split != "train"]
    ladders = climb(Scorer(model), references(unseen, data, slices))
    extras = {**loaded.extras, **uncertainty.fit(*series_scores(ladders), LEVEL).to_extras()}
    if loaded.config.artifacts:
        extras |= fit_reader(ladders, loaded.config.artifacts).to_extras()
    extras |= fit_domain(loaded, recipe["source"], data).to_extras()
    save_weights(loaded.network, out, loaded.metadata, extras=extras)


def main(
    recipe: Annotated[Path, typer.Option(help="The recipe that the model was trained by: it names the held-out subjects.")],
    data: Annotated[list[Path], typer.Option(help="Folder that holds the recipe's sources; may be given several times.")],
    model: Annotated[Path, typer.Option(help="The weights that train.py wrote.")],
    out: Annotated[Path, typer.Option(help="Where the finished weights go.")],
    slices: Annotated[int, typer.Option(help="Clean slices taken of each held-out series.")] = 2,
) -> None:
    """Fit the artefacts' probabilities, the interval of the score and the in-domain check, and add them to the weights."""
    try:
        finish(model, recipe, data, slices, out)
    except (InputError, ModelError) as error:
        raise SystemExit(f"error: {error}") from None
    print(f"weights: {out}")


if __name__ == "__main__":
    typer.run(main)
