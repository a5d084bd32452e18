"""Training on images that people have rated: the released protocol, with its faults mended."""

from __future__ import annotations

from math import ceil
from pathlib import Path

import lightning as L
import numpy as np

from miqanet_core.errors import InputError
from rated import RatedImage
from rated_regression import OpinionRegression
from rated_tiles import FiveCrops, RandomCrops, TileShape
from run_data import RunData
from running import run
from settings import RatedSettings
from starting import starting_network

# A rank correlation of fewer is no figure to choose by.
LEAST_VALIDATION = 3


def split_references(
    images: list[RatedImage], share: float, seed: int, root: Path
) -> tuple[list[RatedImage], list[RatedImage]]:
    """Training and validation images: a seeded ``share`` of the references validates, with all of its images, one at least.

    InputError, naming ``root``, when there are fewer than two references.
    """
    names = sorted({image.reference for image in images})
    if len(names) < 2:
        raise InputError(root, f"has images of one reference, {names[0]}, and none to validate on", "add another reference")
    count = min(len(names) - 1, max(1, round(share * len(names))))
    chosen = {names[i] for i in np.random.default_rng(seed).permutation(len(names))[:count]}
    return [i for i in images if i.reference not in chosen], [i for i in images if i.reference in chosen]


def check_validation(images: list[RatedImage]) -> None:
    """InputError unless a checkpoint can be chosen by these images."""
    if len(images) < LEAST_VALIDATION or len({image.score for image in images}) < 2:
        problem = f"is one of {len(images)} images to choose a checkpoint by, which are too few or all rated alike"
        raise InputError(images[0].path, problem, f"validate on {LEAST_VALIDATION} or more that differ in score")


def train_rated(
    settings: RatedSettings,
    train: list[RatedImage],
    validation: list[RatedImage],
    out: Path,
    workers: int,
    resume: Path | None,
    data_title: str = "",
) -> Path:
    """Train on rated images; returns the file of the weights that order the validation images best.

    ``out``: where checkpoints, TensorBoard's files and the weights go. ``workers``: processes that load images, for each
    process that trains. ``resume``: a checkpoint to go on from. ``data_title``: what the weights say they learned from. An
    epoch is as many steps as show each image at least once. InputError or ModelError when it cannot start.
    """
    check_validation(validation)
    L.seed_everything(settings.seed, verbose=False)
    network = starting_network(settings)
    shape = TileShape(network.config.tile_size, network.config.tile_size // network.global_branch.grid)
    steps_per_epoch = ceil(len(train) / (settings.batch_size * settings.accumulate))
    steps = settings.epochs * steps_per_epoch
    items = steps * settings.accumulate * settings.batch_size
    data = RunData(
        settings,
        RandomCrops(train, shape, items, settings.seed),
        FiveCrops(validation, shape),
        settings.batch_size,
        workers,
    )
    return run(
        OpinionRegression(network, settings, steps),
        data,
        out,
        resume,
        steps=steps,
        validate_every=steps_per_epoch,
        ema_decay=settings.ema_decay,
        gradient_clip=None,
        keep_best=True,
        about={"data": data_title} if data_title else {},
    )
