"""Refit NIQE and IL-NIQE, whose published models describe photographs, to pristine MR.

``python training/refit_natural_scene.py --recipe training/recipes/miqanet_tiny.toml --data DIR --data packages/ --out DIR``
``python training/refit_natural_scene.py --pristine DIR --out DIR``

BRISQUE is not among them: its regression is learned from people's ratings of distorted images, not from pristine ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import safetensors.torch
import torch
import typer
from rich.console import Console
from rich.progress import track
from torch import Tensor

from comparison import as_grey
from miqanet_core import metrics
from miqanet_core.errors import InputError
from miqanet_core.metrics.no_reference.il_niqe import IlNiqeModel, fit_il_niqe
from miqanet_core.metrics.no_reference.niqe import NiqeModel, fit_niqe
from sources import Reference, Source, only_mr, read_recipe, references


def pristine_of_recipe(recipe: Path, data: list[Path], slices: int) -> list[Reference]:
    """Clean slices of the recipe's training subjects: the others are judged on."""
    return references([s for s in only_mr(read_recipe(recipe)["source"]) if s.split == "train"], data, slices)


def pristine_of_folder(folder: Path, slices: int) -> list[Reference]:
    """Slices of every series in one's own folder."""
    own = Source(path=".", subject=folder.name, anatomy="", contrast="", vendor="", licence="", split="train")
    return references([own], [folder], slices)


def greys(pristine: Sequence[Reference], what: str) -> Iterator[Tensor]:
    """The slices as measures take them, with progress on stderr."""
    return (as_grey(reference.image) for reference in track(pristine, what, console=Console(stderr=True)))


def save(model: NiqeModel | IlNiqeModel, file: Path, pristine: Sequence[Reference]) -> None:
    """Write the model's numbers in single precision, and beside them, for whoever finds the file, of what they were made."""
    numbers: dict[str, Tensor] = {field.name: getattr(model, field.name).float().contiguous() for field in fields(model)}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(safetensors.torch.save(numbers))
    shapes = ", ".join(f"{name} {tuple(number.shape)}" for name, number in numbers.items())
    subjects = {r.source.subject: r.source.licence for r in pristine}
    listed = "".join(f"  {subject}{f', {licence}' if licence else ''}\n" for subject, licence in subjects.items())
    file.with_suffix(".txt").write_text(
        f"{file.name}: {shapes}, float32\n\nFitted by training/refit_natural_scene.py to {len(pristine)} clean MR slices,\n"
        f"evenly spaced ones of each series, of the subjects\n\n{listed}\n"
        "It holds statistics of all slices together, and no image.\n",
        encoding="utf-8",
    )


def main(
    out: Annotated[Path, typer.Option(help="Folder for niqe_mr.safetensors, ilniqe_mr.safetensors and a note beside each.")],
    recipe: Annotated[Path | None, typer.Option(help="A recipe whose training subjects are taken; needs --data.")] = None,
    data: Annotated[
        list[Path] | None, typer.Option(help="Folder that holds the recipe's sources; may be given several times.")
    ] = None,
    pristine: Annotated[Path | None, typer.Option(help="In place of a recipe: your own folder of clean MR.")] = None,
    slices: Annotated[int, typer.Option(min=1, help="At most so many of each plane of each series.")] = 8,
) -> None:
    """Fit NIQE and IL-NIQE to clean MR slices: metrics.compute("niqe:OUT/niqe_mr.safetensors", images) takes the result.

    BRISQUE is not refitted: that needs MR images with people's ratings, not pristine ones.
    """
    if (recipe is None) == (pristine is None) or (recipe is None) != (not data):
        raise typer.BadParameter("give either --recipe with --data, or --pristine", param_hint="--recipe / --pristine")
    try:
        found = pristine_of_recipe(recipe, data or [], slices) if recipe else pristine_of_folder(pristine or Path(), slices)
        for_niqe = [r for r in found if metrics.info("niqe").fits(*r.image.shape)]
        with torch.inference_mode():
            save(fit_niqe(greys(for_niqe, "NIQE")), out / "niqe_mr.safetensors", for_niqe)
            coloured = (grey.expand(-1, 3, -1, -1) for grey in greys(found, "IL-NIQE"))
            save(fit_il_niqe(coloured), out / "ilniqe_mr.safetensors", found)
    except InputError as error:
        raise SystemExit(f"error: {error}") from None
    except ValueError as error:
        raise SystemExit(f"error: {recipe or pristine}: too little to fit ({error})") from None
    except OSError as error:
        raise SystemExit(f"error: {error.filename or out}: {error.strerror}; check --out and the space there") from None
    print(f"models: {out / 'niqe_mr.safetensors'}, {out / 'ilniqe_mr.safetensors'}")


if __name__ == "__main__":
    typer.run(main)
