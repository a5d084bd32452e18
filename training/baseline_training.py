"""The one loop that trains every deep baseline, on images that people have rated."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from baselines.network import PATCH, TILE, QualityNetwork
from rated import RatedImage
from rated_tiles import CROPS, FiveCrops, RandomCrops, TileShape, loaded
from rated_training import check_validation
from run_data import RunData
from running import BEST, LAST, create_trainer, fit, load_checkpoint
from settings import BaselineSettings
from validation import RatedValidation

SHAPE = TileShape(TILE, PATCH)


@lru_cache(maxsize=256)
def remembered(image: RatedImage) -> np.ndarray:
    """:func:`rated_tiles.loaded`: of small sets every image is shown often, and a frozen backbone is faster than a file."""
    return loaded(image)


class BaselineRegression(RatedValidation):
    """Any baseline by its own loss, AdamW and one cycle of the learning rate; validation on five crops an image."""

    def __init__(self, network: QualityNetwork, settings: BaselineSettings) -> None:
        super().__init__()
        self.network, self.settings = network, settings
        self.backbone: nn.Module | None = getattr(network, "backbone", None)
        if self.backbone is not None:
            self.backbone.requires_grad_(settings.backbone_learning_rate > 0)

    def train(self, mode: bool = True) -> BaselineRegression:
        """The backbone keeps the statistics of its pre-training: batches are small."""
        super().train(mode)
        if self.backbone is not None:
            self.backbone.eval()
        return self

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        loss = self.network.loss(batch["tiles"], batch["score"])
        self.log("loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: dict[str, Tensor], _: int) -> None:
        self.predicted.append(of_five(self.network, batch["tiles"]))
        self.rated.append(batch["score"])

    def configure_optimizers(self) -> Any:
        settings = self.settings
        learned = {name: p for name, p in self.network.named_parameters() if p.requires_grad}
        rates = {True: settings.backbone_learning_rate, False: settings.learning_rate}
        groups: list[dict[str, Any]] = [
            {"params": [p for name, p in learned.items() if name.startswith("backbone.") == of_backbone], "lr": rate}
            for of_backbone, rate in rates.items()
            if rate > 0
        ]
        groups = [group for group in groups if group["params"]]
        optimizer = torch.optim.AdamW(groups, weight_decay=settings.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, [group["lr"] for group in groups], total_steps=settings.steps, pct_start=0.1, cycle_momentum=False
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def of_five(network: QualityNetwork, tiles: Tensor) -> Tensor:
    """The mean score of the crops of each image: (B, 5, T, T) -> (B,)."""
    found: Tensor = network(tiles.flatten(0, 1))
    return found.view(-1, CROPS).mean(1)


def trained(
    build: Callable[[BaselineSettings], QualityNetwork],
    settings: BaselineSettings,
    train: list[RatedImage],
    validation: list[RatedImage],
    out: Path,
    workers: int,
) -> QualityNetwork:
    """The network that ``build`` makes, trained, with the weights that ordered the validation images best, on the CPU.

    ``out``: where TensorBoard's files go, and checkpoints while it trains: a run that was interrupted there goes on. InputError
    or ModelError when it cannot start.
    """
    check_validation(validation)
    L.seed_everything(settings.seed, verbose=False)
    network = build(settings)
    items = settings.steps * settings.accumulate * settings.batch_size
    data = RunData(
        settings,
        RandomCrops(train, SHAPE, items, settings.seed, remembered),
        FiveCrops(validation, SHAPE, remembered),
        settings.batch_size,
        workers,
    )
    every = ceil(settings.steps / settings.validations)
    trainer = create_trainer(data, out, settings.steps, every, None, 1.0, True, [])
    fit(trainer, BaselineRegression(network, settings), data, out / LAST if (out / LAST).exists() else None)
    load_checkpoint(network, out / BEST)
    trainer.strategy.barrier()
    if trainer.is_global_zero:
        # Nine methods and forty splits would fill a disk with them.
        for name in (LAST, BEST):
            (out / name).unlink()
    return network.eval()


def scores(network: QualityNetwork, images: list[RatedImage], settings: BaselineSettings) -> np.ndarray:
    """What ``network`` makes of the images, 0..100: (N,), each the mean of five crops."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network.to(device)
    half = torch.autocast(device, torch.bfloat16, enabled=settings.precision == "bf16-mixed")
    found = []
    with torch.inference_mode(), half:
        for batch in DataLoader(FiveCrops(images, SHAPE, remembered), max(1, settings.batch_size // CROPS)):
            found.append(of_five(network, batch["tiles"].to(device)).cpu())
    return 100 * torch.cat(found).double().numpy()
