"""How well a learner agrees with people on contents it never saw.

``python training/evaluate.py cross-validate --dataset rad-iqmri --root DIR --recipe FILE --out DIR``
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from cross_validation import SCHEMES, cross_validate, fingerprint
from cross_validation_report import write_report
from learners import miqanet, ridge
from miqanet_core.errors import InputError, ModelError
from rated import Dataset, read_rated, title
from settings import RatedSettings, parse
from sources import read_recipe


class Splits(str, Enum):
    """Which splits are made."""

    ONE = "leave-one-out"
    TWO = "leave-two-out"
    BOTH = "both"


class Method(str, Enum):
    """What is put to the test."""

    MIQANET = "miqanet"
    RIDGE = "ridge"


def main(
    dataset: Annotated[Dataset, typer.Option(help="The data set's layout.")],
    root: Annotated[Path, typer.Option(help="The data set's folder.")],
    out: Annotated[Path, typer.Option(help="Where tables, plots and the splits' runs go; give it again to go on.")],
    splits: Annotated[Splits, typer.Option(help="References left out at a time.")] = Splits.BOTH,
    method: Annotated[Method, typer.Option(help="The network, or the ridge on frozen features.")] = Method.MIQANET,
    recipe: Annotated[Path | None, typer.Option(help="How the network is trained: a recipe from training/recipes/.")] = None,
    workers: Annotated[int, typer.Option(help="Processes that load images for the network.")] = 0,
) -> None:
    """Learn on some references, test on the others, for every split; write predictions, table, plots and JSON."""
    if method is Method.MIQANET and recipe is None:
        raise typer.BadParameter("the network needs a recipe; name one, or take --method ridge", param_hint="--recipe")
    schemes = list(SCHEMES) if splits is Splits.BOTH else [splits.value]
    try:
        images = read_rated(dataset.value, root)
        data = title(dataset.value, root)
        if recipe is not None and method is Method.MIQANET:
            settings = parse(RatedSettings, recipe, read_recipe(recipe, with_sources=False)["training"])
            told, learn = settings.model_dump(), miqanet(settings, workers, data)
        else:
            told, learn = {}, ridge()
        made_with = {"data": data, **fingerprint(images, method.value, told)}
        finished = cross_validate(images, schemes, learn, made_with, out, lambda line: typer.echo(line, err=True))
        typer.echo(write_report(data, method.value, made_with, finished, out))
    except (InputError, ModelError) as error:
        raise SystemExit(f"error: {error}") from None
    except OSError as error:
        raise SystemExit(f"error: {error.filename or out}: {error.strerror}; check --root and --out") from None
    except KeyboardInterrupt:
        raise SystemExit("stopped; finished splits are kept, and the same command goes on from there") from None
