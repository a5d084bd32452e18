"""Trainings that take seconds: a network of a few layers, two slices, a handful of rated images."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from miqanet_core import artifacts
from miqanet_core.model import MIQANet, create_model, save_weights
from model.small_config import SMALL
from mr_samples import slice_like, stack_like

REPOSITORY = Path(__file__).resolve().parents[3]
TRAIN = REPOSITORY / "training" / "train.py"

SIMULATED = {
    "model": "small",
    "version": "0",
    "seed": 20,
    "precision": "32-true",
    "steps": 6,
    "groups_per_batch": 2,
    "learning_rate": 1e-3,
    "backbone_learning_rate": 1e-3,
    "weight_decay": 0.02,
    "ema_decay": 0.5,
    "freeze_global_backbone": False,
    "slices_per_series": 2,
    "validate_every": 3,
    "validation_groups": 3,
    "checkpoint_every": 1,
}
RATED = {
    "model": "small",
    "version": "0",
    "seed": 20,
    "precision": "32-true",
    "epochs": 2,
    "batch_size": 2,
    "learning_rate": 1e-3,
    "weight_decay": 1e-5,
    "validation_share": 0.4,
}


@cache
def small_network() -> MIQANet:
    """A small network with an artefact head, drawn from one seed."""
    torch.manual_seed(0)
    return create_model(replace(SMALL, artifacts=tuple(artifacts.families())))


def small_weights(folder: Path) -> Path:
    """The weights of :func:`small_network`, in a file."""
    path = folder / "small.safetensors"
    save_weights(small_network(), path, {}, torch.float32)
    return path


def recipe(folder: Path, settings: dict[str, object], **changes: object) -> Path:
    """A recipe that starts from :func:`small_weights`; one on simulated artefacts has its slices in ``folder``."""
    values = {"start_from": str(small_weights(folder)), **settings, **changes}
    lines = [f"{name} = {str(v).lower() if isinstance(v, bool) else repr(v)}" for name, v in values.items() if v is not None]
    text = "\n".join(["[training]", *lines, ""])
    if "steps" in settings:
        for split in ("train", "validation"):
            sitk.WriteImage(sitk.GetImageFromArray(stack_like(2, 96, 96)), folder / f"{split}.nii.gz")
            text += f'[[source]]\npath = "{split}.nii.gz"\nsubject = "{split}"\nanatomy = "head"\ncontrast = "T1"\n'
            text += f'vendor = "none"\nlicence = "CC0-1.0"\nsplit = "{split}"\n'
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def rated_folder(root: Path, references: int = 3, each: int = 4) -> Path:
    """A set of one's own: images of 70 x 100 pixels, of ``references`` contents, the noisier the worse."""
    root.mkdir()
    rows = ["image,score,reference"]
    for r in range(references):
        clean = slice_like(70, 100, r) / 1000
        for i in range(each):
            noisy = clean + 0.1 * i * np.random.default_rng([r, i]).standard_normal(clean.shape)
            Image.fromarray(np.uint8(255 * np.clip(noisy, 0, 1))).save(root / f"r{r}_{i}.png")
            rows.append(f"r{r}_{i}.png,{90 - 20 * i + r},r{r}")
    (root / "scores.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root


def started(*arguments: str | Path, launcher: tuple[str, ...] = (), script: Path = TRAIN) -> subprocess.Popen[str]:
    """train.py, or another script, in processes of its own, with as many threads as this one has, on the CPU."""
    command = [sys.executable, *launcher, script, *arguments]
    told = {"OMP_NUM_THREADS": str(torch.get_num_threads()), "CUDA_VISIBLE_DEVICES": ""}
    told["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY), str(TRAIN.parent)])
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | told)


def same_weights(one: Path, other: Path) -> bool:
    """To the last bit; the files themselves differ in the order of what they say of themselves."""
    first, second = load_file(one / "small.safetensors"), load_file(other / "small.safetensors")
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def validations(out: Path, name: str = "validation_srocc") -> dict[int, float]:
    """What TensorBoard was told of a figure, by step; of a resumed run, what it was told last."""
    found = EventAccumulator(str(out)).Reload()
    return {event.step: event.value for event in found.Scalars(name)}
