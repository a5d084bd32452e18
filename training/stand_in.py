"""A stand-in for RAD-IQMRI, which is given out on a signed request only: its layout, filled with simulation.

``python training/stand_in.py --recipe training/recipes/miqanet_tiny.toml --data DIR --out DIR``

Real MR slices, the set's four artefacts at its two energies, and a full-reference teacher's score where the opinion of 13
radiologists would be; besides, what the set does not hold: the undistorted slices, and a table of artefacts and anatomies. It
is for trying the protocol, never for a result: the folder is marked, and so is all made of it.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image
from rich.progress import track

from miqanet_core import artifacts
from miqanet_core.artifacts import ghosting, noise
from miqanet_core.errors import InputError
from rated import STAND_IN_FILE, STAND_IN_TITLE
from rated_facts import FACTS_FILE, REFERENCE_FOLDER
from simulated import intensity_range
from sources import Source, read_recipe, references
from teacher import judge

# The contents of RAD-IQMRI, each with a source of its anatomy or of its nearest neighbour.
CONTENTS = {
    "brain1": "brain_T1_studyforrest",
    "brain2": "brain_FLAIR_torchio",
    "liver": "abdomen_T2_CMB-CRC",
    "breast": "breast_DCE_UCSF-BR-06",
    "fetus": "fetus_T2_mialsrtk",
    "hip": "pelvis_hip_PX0000_T2cor",
    "knee": "thigh_T1_STS001",
    "spine": "neck_cspine_T2_sct",
}
# How its makers divided the set is not published; these are ours.
VALIDATION = ("hip", "spine")
# Of what was done to a reference, types and energies are published. Seven variants at two energies make its 14 images.
VARIANTS = {"ghosting": 2, "edge_ghosting": 2, "white_noise": 1, "coloured_noise": 2}
# RMS of the artefact as a fraction of the anatomy's; a severity of 1 is each artefact's greatest.
ENERGIES = {"low": 0.10, "high": 0.25}
MOST_ENERGY = {name: (ghosting if "ghosting" in name else noise).MOST_ENERGY for name in VARIANTS}


def make(sources: list[Source], folders: list[Path], out: Path) -> None:
    """Fill ``out`` with 112 PNG files of 8 bit, the two label files, 8 references and the facts; InputError when a source is
    missing.

    Never touches a folder that holds anything but a stand-in.
    """
    if out.exists() and not (out.is_dir() and ((out / STAND_IN_FILE).exists() or not any(out.iterdir()))):
        raise InputError(out, "exists and is no stand-in", "name a new folder with --out")
    by_path = {source.path: source for source in sources}
    lacking = [path for path in CONTENTS.values() if path not in by_path]
    if lacking:
        raise InputError(out, f"cannot be made: the recipe lists no source {', '.join(lacking)}", "add them to the recipe")
    found = {name: references([by_path[path]], folders, 3) for name, path in CONTENTS.items()}
    middle = {name: slices[len(slices) // 2].image for name, slices in found.items()}
    # The mark comes first: a folder that was left half made is marked as well.
    for folder in (out, out / "Train_Distort", out / "Val_Distort", out / REFERENCE_FOLDER):
        folder.mkdir(parents=True, exist_ok=True)
    (out / STAND_IN_FILE).write_text(f"{STAND_IN_TITLE}\n\n{__doc__}", encoding="utf-8")
    labels: dict[str, list[str]] = {"train": [], "val": []}
    facts = [("image", "artefact", "anatomy")]
    for seed, (content, image) in enumerate(track(middle.items(), "simulating", len(middle))):
        part = "val" if content in VALIDATION else "train"
        Image.fromarray(undistorted(image)).save(out / REFERENCE_FOLDER / f"{content}.png")
        for name, pixels, score in degraded(content, image, 100 * seed):
            facts.append((name, name.split("_")[1].replace("-", " "), by_path[CONTENTS[content]].anatomy))
            Image.fromarray(pixels).save(out / f"{part.capitalize()}_Distort" / name)
            labels[part].append(f"{name}, {score:.4f}")
    for part, lines in labels.items():
        (out / f"mri_{part}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with (out / FACTS_FILE).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(facts)


def degraded(content: str, image: np.ndarray, seed: int) -> list[tuple[str, np.ndarray, float]]:
    """File name, 8-bit pixels and the teacher's score, 0..100, of the 14 images of a content: (rows, columns), made even."""
    image, clean, made = _even(image), undistorted(image), []
    for artifact, variants in VARIANTS.items():
        for level, energy in ENERGIES.items():
            for variant in range(variants):
                severity = energy / MOST_ENERGY[artifact]
                spoiled = _as_shown(artifacts.simulate(image, artifact, severity, seed + variant), image)
                pair = [torch.from_numpy(pixels / 255).float()[None, None] for pixels in (spoiled, clean)]
                score = 100 * float(judge(pair[0], pair[1], 1).score)
                made.append((f"{content}_{artifact.replace('_', '-')}_{level}_{variant + 1}.png", spoiled, score))
    return made


def undistorted(image: np.ndarray) -> np.ndarray:
    """8-bit pixels of the content itself, on the scale of :func:`degraded`: (rows, columns), made even."""
    return _as_shown(_even(image), _even(image))


def _even(image: np.ndarray) -> np.ndarray:
    return image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]


def _as_shown(pixels: np.ndarray, clean: np.ndarray) -> np.ndarray:
    low, high = intensity_range(clean)
    return np.asarray(np.round(255 * np.clip((pixels - low) / (high - low), 0, 1)), np.uint8)


def main(
    recipe: Annotated[Path, typer.Option(help="A recipe that lists the sources of the slices.")],
    data: Annotated[list[Path], typer.Option(help="Folder that holds the recipe's sources; may be given several times.")],
    out: Annotated[Path, typer.Option(help="The folder to fill.")],
) -> None:
    """Make a simulated stand-in for RAD-IQMRI, with its file layout and marked as what it is."""
    try:
        make(read_recipe(recipe)["source"], data, out)
    except InputError as error:
        raise SystemExit(f"error: {error}") from None
    except OSError as error:
        raise SystemExit(f"error: {error.filename}: cannot be written ({error.strerror}); name another --out") from None
    print(f"{out}: {STAND_IN_TITLE}")


if __name__ == "__main__":
    typer.run(main)
