"""Samples a second in training: what the simulation makes, what the network learns from, and both as ``train.py`` runs them.

A sample is a tile with its labels. Tiles are made from textured ellipses, the network starts from the shipped weights, and a
batch is as in the last stage of the shipped model; one group is validated, after the last step that counts.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import lightning as L
import torch

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "training"), str(REPOSITORY / "Testing" / "unit")]

from mr_samples import slice_like  # noqa: E402
from run_data import RunData  # noqa: E402
from running import create_trainer, fit  # noqa: E402
from settings import SimulatedSettings, parse  # noqa: E402
from simulated import GROUP, collate  # noqa: E402
from simulated_regression import QualityRegression  # noqa: E402
from simulated_training import tiles_for  # noqa: E402
from sources import Reference, Source, read_recipe  # noqa: E402
from starting import starting_network  # noqa: E402

RECIPE = REPOSITORY / "training" / "recipes" / "miqanet_tiny_ninth_stage.toml"
WARM_UP = 3  # steps, also for the compiler


class Clock(L.Callback):
    """Notes when each batch was asked for, came, and was learned from."""

    def __init__(self) -> None:
        self.came: list[float] = []
        self.done: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.came.append(time.perf_counter())

    def on_train_batch_end(self, *_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.done.append(time.perf_counter())


def training(precision: str, compiled: bool = False, workers: int = 0, steps: int = 8) -> dict[str, float]:
    """A run of ``steps`` after ``WARM_UP``. ``workers``: processes that simulate; 0 learns from one batch again and again.

    ``samples_per_s`` of the run, and ``waiting``: the part of its time in which the network waited for tiles.
    """
    logging.getLogger("lightning").setLevel(logging.ERROR)
    count = WARM_UP + steps
    settings = _settings(precision=precision, steps=count, validate_every=count, validation_groups=1)
    network = starting_network(settings)
    if compiled:
        network.compile()
    groups = settings.groups_per_batch
    tiles: Any = tiles_for(network, settings, _slices(), settings.steps * groups, settings.seed)
    if not workers:
        ready = [tiles[index] for index in range(groups)]
        tiles = [ready[index % groups] for index in range(settings.steps * groups)]
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        data = RunData(settings, tiles, tiles_for(network, settings, _slices(), 1, 0), groups, workers, collate)
        trainer = create_trainer(data, Path(folder), settings.steps, settings.steps, settings.ema_decay, 1.0, False, [clock])
        fit(trainer, QualityRegression(network, settings), data, None)
    came, done = clock.came, clock.done
    whole = done[-1] - done[WARM_UP - 1]
    waited = sum(came[step] - done[step - 1] for step in range(WARM_UP, settings.steps))
    return {"samples_per_s": steps * groups * GROUP / whole, "waiting": waited / whole, "first_s": done[0] - came[0]}


def simulation(count: int = 24) -> dict[str, float]:
    """Samples a second that one process makes."""
    settings = _settings()
    torch.set_num_threads(1)  # as in a worker
    tiles = tiles_for(starting_network(settings), settings, _slices(), WARM_UP + count, settings.seed)
    for index in range(WARM_UP):
        tiles[index]
    began = time.perf_counter()
    for index in range(WARM_UP, WARM_UP + count):
        tiles[index]
    return {"samples_per_s": count * GROUP / (time.perf_counter() - began)}


def _settings(**changes: Any) -> SimulatedSettings:
    return parse(SimulatedSettings, RECIPE, read_recipe(RECIPE)["training"] | {"start_from": "default", **changes})


def _slices() -> list[Reference]:
    source = Source("none", "nobody", "ellipse", "none", "none", "none", "train")
    return [Reference(slice_like(320, 320, seed), source) for seed in range(8)]
