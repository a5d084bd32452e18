"""Train a MIQANet: ``python training/train.py --recipe training/recipes/miqanet_tiny.toml --data DIR --out DIR``."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any

import lightning as L
import torch
import typer
from lightning.pytorch.callbacks import EMAWeightAveraging, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from scipy.stats import spearmanr
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from backbones import load_packaged_backbones
from miqanet_core import artifacts
from miqanet_core.errors import InputError, ModelError
from miqanet_core.model import MIQANet, NetworkOutput, create_model, save_weights
from miqanet_core.transforms import to_network
from simulated import GROUP, SimulatedTiles, collate
from sources import read_recipe, references


class QualityRegression(L.LightningModule):
    """Regression on the teacher's score and map, and on the differences within each group of tiles.

    References are not equally clean, so their absolute scores are less certain than the order and distance of one content's
    tiles: the second part of the loss looks only at those.
    """

    def __init__(self, network: MIQANet, recipe: dict[str, Any]) -> None:
        super().__init__()
        self.network = network
        self.recipe = recipe
        self.network.global_branch.backbone.requires_grad_(not recipe["freeze_global_backbone"])
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
        weight = output.weight_map * (batch["weight_map"] > 0)
        score = (output.score_map * weight).sum((1, 2)) / weight.sum((1, 2)).clamp_min(1e-6)
        return output._replace(score=score)

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
        present = (batch["severity"] > 0).float()
        named = F.binary_cross_entropy_with_logits(output.presence, present)
        severe = F.smooth_l1_loss(output.severity, batch["severity"], beta=0.1)
        loss = absolute + 0.5 * local + within + 2.0 * order + 0.1 * named + 0.5 * severe
        parts = {"absolute": absolute, "local": local, "within": within, "order": order, "named": named, "severe": severe}
        self.log_dict({"loss": loss, **parts}, prog_bar=True)
        return loss

    def validation_step(self, batch: dict[str, Tensor], _: int) -> None:
        self.predicted.append(self.predict(batch).score.cpu())
        self.judged.append(batch["score"].cpu())

    def on_validation_epoch_end(self) -> None:
        score, truth = torch.cat(self.predicted), torch.cat(self.judged)
        clean, degraded = score.view(-1, GROUP)[:, :1], score.view(-1, GROUP)[:, 1:]
        figures = {
            "validation_srocc": float(spearmanr(score.numpy(), truth.numpy()).statistic),
            "validation_mae": float((score - truth).abs().mean()),
            "validation_clean_above": float((clean > degraded).float().mean()),
            "validation_clean_score": float(clean.mean()),
        }
        self.log_dict(figures, prog_bar=True)
        self.predicted.clear()
        self.judged.clear()

    def configure_optimizers(self) -> Any:
        recipe = self.recipe
        backbones = [p for n, p in self.network.named_parameters() if ".backbone." in n and p.requires_grad]
        rest = [p for n, p in self.network.named_parameters() if ".backbone." not in n and p.requires_grad]
        groups = [
            {"params": backbones, "lr": recipe["backbone_learning_rate"]},
            {"params": rest, "lr": recipe["learning_rate"]},
        ]
        optimizer = torch.optim.AdamW(groups, weight_decay=recipe["weight_decay"])
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, [g["lr"] for g in groups], total_steps=recipe["steps"], pct_start=0.1, cycle_momentum=False
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def loader(data: SimulatedTiles, groups: int, workers: int) -> DataLoader[dict[str, Tensor]]:
    """Batches of whole groups, in the data set's own order: it is random already."""
    return DataLoader(data, groups, num_workers=workers, collate_fn=collate, persistent_workers=workers > 0)


def train(recipe_file: Path, folders: list[Path], out: Path, workers: int, resume: Path | None) -> Path:
    """Run a recipe; returns the file with the averaged weights. InputError or ModelError when it cannot start."""
    recipe = read_recipe(recipe_file)
    settings = recipe["training"]
    # Data first: a path that is wrong should not wait for the network.
    slices = {
        split: references([s for s in recipe["source"] if s.split == split], folders, settings["slices_per_series"])
        for split in ("train", "validation")
    }
    L.seed_everything(settings["seed"], verbose=False)
    network = create_model(settings["model"])
    load_packaged_backbones(network)
    network.local_branch.to(memory_format=torch.channels_last)
    tile, patch = network.config.tile_size, network.config.tile_size // network.global_branch.grid

    def tiles(split: str, groups: int, seed: int) -> SimulatedTiles:
        frequency = settings.get("artifacts", dict.fromkeys(artifacts.names(), 1.0))
        return SimulatedTiles(slices[split], tile, patch, groups, seed, frequency)

    training = tiles("train", settings["steps"] * settings["groups_per_batch"], settings["seed"])
    validation = tiles("validation", settings["validation_groups"], settings["seed"] + 1)
    trainer = L.Trainer(
        accelerator="auto",
        devices=1,
        precision="bf16-mixed",
        max_steps=settings["steps"],
        val_check_interval=settings["validate_every"],
        gradient_clip_val=1.0,
        log_every_n_steps=10,
        num_sanity_val_steps=0,
        logger=TensorBoardLogger(out, name="", version=""),
        callbacks=[
            EMAWeightAveraging(decay=settings["ema_decay"]),
            ModelCheckpoint(out, save_last=True, every_n_train_steps=settings["validate_every"]),
            LearningRateMonitor(),
        ],
    )
    module = QualityRegression(network, settings).train()  # Lightning keeps the modes it finds
    groups = settings["groups_per_batch"]
    trainer.fit(module, loader(training, groups, workers), loader(validation, groups, workers), ckpt_path=resume)
    weights = out / f"{settings['model']}.safetensors"
    save_weights(network, weights, {"version": settings["version"], "recipe": recipe_file.name, "seed": str(settings["seed"])})
    return weights


def main(
    recipe: Annotated[Path, typer.Option(help="A recipe from training/recipes/.")],
    data: Annotated[list[Path], typer.Option(help="Folder that holds the recipe's sources; may be given several times.")],
    out: Annotated[Path, typer.Option(help="Where checkpoints, TensorBoard curves and the weights go.")] = Path("runs/train"),
    workers: Annotated[int, typer.Option(help="Processes that simulate artefacts.")] = 1,
    resume: Annotated[Path | None, typer.Option(help="A checkpoint to go on from: OUT/last.ckpt.")] = None,
) -> None:
    """Train a network on real MR slices with simulated artefacts, and save its averaged weights as safetensors."""
    warnings.filterwarnings("ignore", category=UserWarning, module="lightning")
    try:
        print(f"weights: {train(recipe, data, out, workers, resume)}")
    except (InputError, ModelError) as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    typer.run(main)
