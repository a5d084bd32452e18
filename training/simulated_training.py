"""Training on real MR slices with simulated artefacts."""

from __future__ import annotations

from pathlib import Path

import lightning as L

from miqanet_core.model import MIQANet
from run_data import RunData
from running import run
from settings import SimulatedSettings
from simulated import SimulatedTiles, collate
from simulated_regression import QualityRegression
from sources import Reference, Source, references
from starting import starting_network


def train_simulated(
    settings: SimulatedSettings, sources: list[Source], folders: list[Path], out: Path, workers: int, resume: Path | None
) -> Path:
    """Train on the ``sources`` in ``folders``; returns the file of the weights, averaged over the last steps.

    ``out``: where checkpoints, TensorBoard's files and the weights go. ``workers``: processes that simulate, for each process
    that trains. ``resume``: a checkpoint to go on from. InputError or ModelError when it cannot start.
    """
    # Data first: a path that is wrong should not wait for the network.
    slices = {
        split: references([s for s in sources if s.split == split], folders, settings.slices_per_series)
        for split in ("train", "validation")
    }
    L.seed_everything(settings.seed, verbose=False)
    network = starting_network(settings)
    groups = settings.groups_per_batch
    training = tiles_for(network, settings, slices["train"], settings.steps * settings.accumulate * groups, settings.seed)
    validation = tiles_for(network, settings, slices["validation"], settings.validation_groups, settings.seed + 1)
    data = RunData(settings, training, validation, groups, workers, collate)
    return run(
        QualityRegression(network, settings),
        data,
        out,
        resume,
        steps=settings.steps,
        validate_every=settings.validate_every,
        ema_decay=settings.ema_decay,
        gradient_clip=1.0,
        keep_best=False,
        about={},
    )


def tiles_for(network: MIQANet, settings: SimulatedSettings, slices: list[Reference], groups: int, seed: int) -> SimulatedTiles:
    """Groups of tiles of these slices, of the size that ``network`` takes, spoiled as the recipe says."""
    tile = network.config.tile_size
    return SimulatedTiles(slices, tile, tile // network.global_branch.grid, groups, seed, settings.artifacts)
