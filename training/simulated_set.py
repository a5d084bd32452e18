"""A set of simulated artefacts with a teacher's scores, made once and kept as files: three folders of rated images."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path

import joblib
import numpy as np
from PIL import Image
from rich.progress import track

from held_out import teacher_scores
from miqanet_core import artifacts
from miqanet_core.errors import InputError
from rated import RatedImage, read_rated
from simulated import intensity_range
from sources import Reference, Source, references

# Clean slices of each series in each plane, at most; a checkpoint is chosen by few.
SLICES = {"train": 2, "validation": 1, "test": 2}
SEVERITIES = (0.05, 1.0)
SEED = 20


def simulated_set(sources: list[Source], folders: list[Path], out: Path) -> dict[str, list[RatedImage]]:
    """The images of the splits train, validation and test; those that ``out`` holds already are taken from there.

    Each clean slice comes with one copy for each artefact, of a severity of its own, as PNG of 8 bit; the score is the
    teacher's, 0..100, and the reference the subject. InputError when a source is missing, or ``out`` was made from others.
    """
    about = {"sources": [asdict(source) for source in sources], "slices": SLICES, "severities": SEVERITIES, "seed": SEED}
    told, text = out / "made_with.json", json.dumps(about, indent=1)
    if told.exists() and told.read_text(encoding="utf-8") != text:
        raise InputError(told, "says that these images were made from other sources", "name a new folder with --out")
    out.mkdir(parents=True, exist_ok=True)
    told.write_text(text, encoding="utf-8")
    for split, most in SLICES.items():
        if not (out / split / "scores.csv").exists():
            _make(references([s for s in sources if s.split == split], folders, most), out / split)
    return {split: read_rated("folder", out / split) for split in SLICES}


def _make(clean: list[Reference], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    made = joblib.Parallel(n_jobs=2, return_as="generator")(
        joblib.delayed(_spoiled)(reference.image, number) for number, reference in enumerate(clean)
    )
    rows = []
    for number, (stack, scores) in enumerate(track(made, f"simulating {folder.name}", len(clean))):
        low, high = intensity_range(stack[0])
        shown = np.round(255 * np.clip((stack - low) / (high - low), 0, 1)).astype(np.uint8)
        for name, pixels, score in zip(("clean", *artifacts.names()), shown, scores, strict=True):
            file = f"{number:03d}_{name}.png"
            Image.fromarray(pixels).save(folder / file)
            rows.append((file, f"{score:.4f}", clean[number].source.subject))
    # The table comes last: a folder that was left half made has none, and is made again.
    with (folder / "scores.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("image", "score", "reference"), *rows])


def _spoiled(image: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """The slice and its spoiled copies, (N, rows, columns), and the teacher's scores of them, (N,)."""
    severities = np.random.default_rng([SEED, number]).uniform(*SEVERITIES, len(artifacts.names()))
    copies = [
        artifacts.simulate(image, name, float(severity), SEED + number)
        for name, severity in zip(artifacts.names(), severities, strict=True)
    ]
    stack = np.stack([image.astype(np.float32), *copies])
    return stack, teacher_scores(stack)
