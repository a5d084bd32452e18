"""What both trainings do with their validation: scores inside the slice, gathered from all processes, and their agreement."""

from __future__ import annotations

import math
from typing import Any

import lightning as L
import torch
from torch import Tensor

from miqanet_core.metrics.agreement import fit_mapping, plcc, srocc
from miqanet_core.model import NetworkOutput

# The figure that chooses a checkpoint and stops early: order, as it needs no mapping.
CHOSEN_BY = "validation_srocc"


def inside_score(output: NetworkOutput, inside: Tensor) -> Tensor:
    """The score over the patches inside the slice alone, as the scorer takes it: (B,). ``inside``: (B, h, w), boolean."""
    weight = output.weight_map * inside
    return (output.score_map * weight).sum((1, 2)) / weight.sum((1, 2)).clamp_min(1e-6)


def everyone(module: L.LightningModule, values: Tensor) -> Tensor:
    """The values of all validation items, (N, ...), in their order and each once, of this process's (n, ...)."""
    gathered: Any = module.all_gather(values)
    if module.trainer.world_size > 1:
        # Process r has the items r, r + world, r + 2 world and so on.
        gathered = gathered.transpose(0, 1).flatten(0, 1)
    count = len(module.trainer.datamodule.validation)  # type: ignore[attr-defined]
    everyones: Tensor = gathered[:count].float().cpu()
    return everyones


def agreement(score: Tensor, truth: Tensor) -> dict[str, float]:
    """SROCC, and PLCC after VQEG's mapping, of (N,) scores; NaN where they are not defined, as with constant scores."""
    x, y = score.double().numpy(), truth.double().numpy()
    try:
        return {CHOSEN_BY: srocc(x, y), "validation_plcc": plcc(fit_mapping(x, y)(x), y)}
    except ValueError:
        return {CHOSEN_BY: math.nan, "validation_plcc": math.nan}


def report(module: L.LightningModule, figures: dict[str, float]) -> None:
    """Log figures that are the same on every process, and leave a line of them above the progress bar."""
    module.log_dict(figures, prog_bar=True)
    line = ", ".join(f"{name.removeprefix('validation_')} {value:.6f}" for name, value in figures.items())
    module.print(f"step {module.global_step}: {line}")


class RatedValidation(L.LightningModule):
    """Validation on rated images: ``validation_step`` appends to ``predicted`` and ``rated`` what it found, (B,) each, 0..1."""

    def __init__(self) -> None:
        super().__init__()
        self.predicted: list[Tensor] = []
        self.rated: list[Tensor] = []

    def on_validation_epoch_end(self) -> None:
        score, truth = (everyone(self, torch.cat(values)) for values in (self.predicted, self.rated))
        report(self, {**agreement(score, truth), "validation_mae": float((score - truth).abs().mean())})
        self.predicted.clear()
        self.rated.clear()
