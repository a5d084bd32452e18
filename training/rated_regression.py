"""The network as a pupil of people: the released loss, validation and optimiser on rated images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from miqanet_core.model import MIQANet
from miqanet_core.transforms import to_network
from rated_tiles import CROPS
from settings import RatedSettings
from validation import RatedValidation, inside_score


class OpinionRegression(RatedValidation):
    """Mean squared error between a crop's score and its image's opinion score, both 0..1; validation on five crops an image.

    An artefact head is left as it was: opinion scores say nothing of artefacts. ``steps``: of the optimiser, in all.
    """

    def __init__(self, network: MIQANet, settings: RatedSettings, steps: int) -> None:
        super().__init__()
        self.network, self.settings, self.steps = network, settings, steps
        if network.artifact_head is not None:
            network.artifact_head.requires_grad_(False)

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        score = inside_score(self.network(to_network(batch["tiles"])), batch["inside"])
        loss = F.mse_loss(score, batch["score"])
        self.log("loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: dict[str, Tensor], _: int) -> dict[str, Tensor]:
        """What :class:`pictures.MapPictures` draws: the centre crops."""
        output = self.network(to_network(batch["tiles"].flatten(0, 1)))
        score = inside_score(output, batch["inside"].flatten(0, 1)).view(-1, CROPS)
        self.predicted.append(score.mean(1))
        self.rated.append(batch["score"])
        return {"tile": batch["tiles"][:, -1], "predicted": output.score_map.unflatten(0, (-1, CROPS))[:, -1]}

    def configure_optimizers(self) -> Any:
        settings = self.settings
        learned = [p for p in self.network.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(learned, lr=settings.learning_rate, weight_decay=settings.weight_decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.annealing_steps or self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
