"""The network as a pupil of the teacher: its loss on simulated artefacts, its validation and its optimiser."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional as F

from miqanet_core.model import MIQANet, NetworkOutput
from miqanet_core.transforms import to_network
from settings import SimulatedSettings
from simulated import GROUP
from validation import agreement, everyone, inside_score, report

# A family of artefacts is in about one tile of eight: its presence counts as much more than its absence.
RARITY = 7.0


class QualityRegression(L.LightningModule):
    """Regression on the teacher's score and map, and on the differences within each group of tiles.

    References are not equally clean, so their absolute scores are less certain than the order and distance of one content's
    tiles: the second part of the loss looks only at those.
    """

    def __init__(self, network: MIQANet, settings: SimulatedSettings) -> None:
        super().__init__()
        self.network = network
        self.settings = settings
        self.network.global_branch.backbone.requires_grad_(not settings.freeze_global_backbone)
        self.predicted: list[Tensor] = []
        self.judged: list[Tensor] = []

    def train(self, mode: bool = True) -> QualityRegression:
        """The backbones keep the statistics of their pre-training: groups of one content are no fair sample."""
        super().train(mode)
        for branch in (self.network.global_branch, self.network.local_branch):
            branch.backbone.eval()
        return self

    def predict(self, batch: dict[str, Tensor]) -> NetworkOutput:
        """The network's output, its score taken over the patches inside the slice, as the scorer does."""
        output: NetworkOutput = self.network(to_network(batch["tiles"]))
        return output._replace(score=inside_score(output, batch["weight_map"] > 0))

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        output = self.predict(batch)
        score = output.score
        truth, weight = batch["score"], batch["weight_map"]
        absolute = F.smooth_l1_loss(score, truth, beta=0.05)
        per_patch = F.smooth_l1_loss(output.score_map, batch["score_map"], beta=0.05, reduction="none")
        local = ((per_patch * weight).sum((1, 2)) / weight.sum((1, 2))).mean()
        differences, wanted = (x[:, :, None] - x[:, None, :] for x in (score.view(-1, GROUP), truth.view(-1, GROUP)))
        within = F.smooth_l1_loss(differences, wanted, beta=0.05)
        # A step down that the teacher sees must be seen, however small.
        order = F.relu(0.5 * wanted.clamp(0, 0.1) - differences)[wanted > 0.005].sum() / max(1, int((wanted > 0.005).sum()))
        loss = absolute + 0.5 * local + within + 2.0 * order
        parts = {"absolute": absolute, "local": local, "within": within, "order": order}
        if self.network.artifact_head is not None:
            present = (batch["severity"] > 0).float()
            named = F.binary_cross_entropy_with_logits(output.presence, present, pos_weight=present.new_tensor(RARITY))
            # How severe is asked only of what is there: of the many that are not, 0 would be the whole lesson.
            severe = (F.smooth_l1_loss(output.severity, batch["severity"], beta=0.1, reduction="none") * present).sum()
            severe = severe / present.sum().clamp_min(1)
            loss = loss + 0.3 * named + 0.5 * severe
            parts |= {"named": named, "severe": severe}
        self.log("loss", loss, prog_bar=True)
        self.log_dict(parts)
        return loss

    def validation_step(self, batch: dict[str, Tensor], _: int) -> dict[str, Tensor]:
        """What :class:`pictures.MapPictures` draws."""
        output = self.predict(batch)
        self.predicted.append(output.score.view(-1, GROUP))
        self.judged.append(batch["score"].view(-1, GROUP))
        return {"tile": batch["tiles"], "predicted": output.score_map, "teacher": batch["score_map"]}

    def on_validation_epoch_end(self) -> None:
        score, truth = (everyone(self, torch.cat(values)) for values in (self.predicted, self.judged))
        clean, degraded = score[:, :1], score[:, 1:]
        figures = {
            **agreement(score.flatten(), truth.flatten()),
            "validation_mae": float((score - truth).abs().mean()),
            "validation_clean_above": float((clean > degraded).float().mean()),
            "validation_clean_score": float(clean.mean()),
        }
        report(self, figures)
        self.predicted.clear()
        self.judged.clear()

    def configure_optimizers(self) -> Any:
        settings = self.settings
        backbones = [p for n, p in self.network.named_parameters() if ".backbone." in n and p.requires_grad]
        rest = [p for n, p in self.network.named_parameters() if ".backbone." not in n and p.requires_grad]
        groups = [
            {"params": backbones, "lr": settings.backbone_learning_rate},
            {"params": rest, "lr": settings.learning_rate},
        ]
        optimizer = torch.optim.AdamW(groups, weight_decay=settings.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            [settings.backbone_learning_rate, settings.learning_rate],
            total_steps=settings.steps,
            pct_start=0.1,
            cycle_momentum=False,
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
