"""Train a MIQANet, on simulated artefacts or on images that people have rated.

``python training/train.py --recipe training/recipes/miqanet_tiny.toml --data DIR --out DIR``
``python training/train.py --recipe training/recipes/released_protocol.toml --dataset rad-iqmri --root DIR --out DIR``
``torchrun --nproc-per-node 4 training/train.py ...`` for several GPUs
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from miqanet_core.errors import InputError, ModelError
from rated import Dataset, read_rated, title
from rated_training import split_references, train_rated
from settings import RatedSettings, SimulatedSettings, parse
from simulated_training import train_simulated
from sources import read_recipe


def train(
    recipe_file: Path,
    folders: list[Path],
    out: Path,
    workers: int,
    resume: Path | None,
    start_from: str | None,
) -> Path:
    """Run a recipe on simulated artefacts; returns the file with the averaged weights. InputError or ModelError."""
    recipe = read_recipe(recipe_file)
    settings = parse(SimulatedSettings, recipe_file, recipe["training"] | _start(start_from))
    return train_simulated(settings, recipe["source"], folders, out, workers, resume)


def train_on_ratings(
    recipe_file: Path,
    dataset: str,
    root: Path,
    out: Path,
    workers: int,
    resume: Path | None,
    start_from: str | None,
) -> Path:
    """Run a recipe on a set of rated images; returns the file with the chosen weights. InputError or ModelError."""
    table = read_recipe(recipe_file, with_sources=False)["training"]
    settings = parse(RatedSettings, recipe_file, table | _start(start_from))
    images = read_rated(dataset, root)
    learned, validation = split_references(images, settings.validation_share, settings.seed, root)
    return train_rated(settings, learned, validation, out, workers, resume, title(dataset, root))


def _start(start_from: str | None) -> dict[str, str]:
    return {} if start_from is None else {"start_from": start_from}


def main(
    recipe: Annotated[Path, typer.Option(help="A recipe from training/recipes/.")],
    data: Annotated[
        list[Path] | None, typer.Option(help="Folder that holds the recipe's sources; may be given several times.")
    ] = None,
    dataset: Annotated[Dataset | None, typer.Option(help="Train on rated images; the layout of their set.")] = None,
    root: Annotated[Path | None, typer.Option(help="The folder of the set of rated images.")] = None,
    out: Annotated[Path, typer.Option(help="Where checkpoints, TensorBoard curves and the weights go.")] = Path("runs/train"),
    workers: Annotated[int, typer.Option(help="Processes that prepare tiles, for each that trains.")] = 1,
    resume: Annotated[Path | None, typer.Option(help="A checkpoint to go on from: OUT/last.ckpt.")] = None,
    start_from: Annotated[str | None, typer.Option(help="In place of the recipe's: a weights file, or a model's name.")] = None,
) -> None:
    """Train a network by a recipe, and save its weights as safetensors.

    With --data on real MR slices with simulated artefacts, with --dataset and --root on images that people have rated.
    """
    if (dataset is None) != (root is None) or (dataset is None) == (not data):
        raise typer.BadParameter("give either --data, or --dataset with --root", param_hint="--data / --dataset")
    try:
        if dataset is None or root is None:
            weights = train(recipe, data or [], out, workers, resume, start_from)
        else:
            weights = train_on_ratings(recipe, dataset.value, root, out, workers, resume, start_from)
    except (InputError, ModelError) as error:
        raise SystemExit(f"error: {error}") from None
    except torch.OutOfMemoryError:
        cure = "lower batch_size or groups_per_batch, and raise accumulate as much"
        raise SystemExit(f"error: {recipe}: needs more memory than the GPU has; {cure}") from None
    except OSError as error:
        raise SystemExit(f"error: {error.filename or out}: {error.strerror}; check --out and the space there") from None
    print(f"weights: {weights}")


if __name__ == "__main__":
    typer.run(main)
