"""A run: the trainer that all kinds of training share, from the first batch to the last, or to a file of weights."""

from __future__ import annotations

import os
import sys
import warnings
import zipfile
from contextlib import redirect_stdout
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, LearningRateMonitor
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn

from callbacks import BestCheckpoint, LastCheckpoint, ProgressBar, SeededBatches, StayStopped
from miqanet_core.errors import InputError
from miqanet_core.model import MIQANet, save_weights
from pictures import MapPictures
from run_data import RunData
from settings import Settings
from validation import CHOSEN_BY

LAST, BEST = "last.ckpt", "best.ckpt"


def run(
    module: L.LightningModule,
    data: RunData,
    out: Path,
    resume: Path | None,
    *,
    steps: int,
    validate_every: int,
    ema_decay: float | None,
    gradient_clip: float | None,
    keep_best: bool,
    about: dict[str, str],
) -> Path:
    """Train ``module`` and its ``network`` for ``steps``; returns the file of weights in ``out``.

    ``validate_every``: in steps. ``keep_best``: the weights are those of the validation with the best SROCC, else of the last
    step. ``about``: what the weights file says of itself, besides recipe, version and seed. InputError when the checkpoint
    ``resume`` cannot be gone on from. Of the processes of a torchrun, the first one writes.
    """
    if resume is not None:
        check_checkpoint(resume, out)
    trainer = create_trainer(data, out, steps, validate_every, ema_decay, gradient_clip, keep_best, [MapPictures()])
    fit(trainer, module, data, resume)
    settings, network = data.settings, module.network
    assert isinstance(settings, Settings) and isinstance(network, MIQANet)
    weights = out / f"{settings.model}.safetensors"
    if trainer.is_global_zero:
        load_checkpoint(network, out / (BEST if keep_best else LAST))
        metadata = {"version": settings.version, "recipe": settings.file.name, "seed": str(settings.seed)}
        save_weights(network, weights, metadata | about)
    trainer.strategy.barrier()
    return weights


def fit(trainer: L.Trainer, module: L.LightningModule, data: RunData, resume: Path | None) -> None:
    """Train ``module``, from the checkpoint ``resume`` on where there is one."""
    module.train()  # Lightning keeps the modes it finds
    with warnings.catch_warnings(), redirect_stdout(sys.stderr):  # progress is no result
        # Lightning warns of what is meant: backbones in eval mode, data that RunData, not their loader, makes resumable.
        warnings.filterwarnings("ignore", category=UserWarning, module="lightning")
        trainer.fit(module, datamodule=data, ckpt_path=resume)


def create_trainer(
    data: RunData,
    out: Path,
    steps: int,
    validate_every: int,
    ema_decay: float | None,
    gradient_clip: float | None,
    keep_best: bool,
    more: list[Callback],
) -> L.Trainer:
    """A trainer that takes its processes from torchrun, where that started it, and else uses one device.

    ``more``: callbacks besides those that every run has.
    """
    settings = data.settings
    processes, nodes = (int(os.environ.get(name, 1)) for name in ("LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE"))
    several = processes * nodes > 1
    callbacks: list[Callback] = [SeededBatches(settings.seed), LearningRateMonitor(), ProgressBar(), *more]
    if ema_decay is not None:
        callbacks.append(EMAWeightAveraging(decay=ema_decay))
    if settings.patience is not None:
        stop = StayStopped(
            CHOSEN_BY, mode="max", patience=settings.patience, check_finite=False, check_on_train_epoch_end=False
        )
        callbacks.append(stop)
    if keep_best:
        callbacks.append(BestCheckpoint(out / BEST, CHOSEN_BY))
    # After the best one, so that it knows of it.
    callbacks.append(LastCheckpoint(out / LAST, settings.checkpoint_every))
    return L.Trainer(
        accelerator="auto",
        devices=processes,
        num_nodes=nodes,
        strategy="ddp" if several else "auto",
        sync_batchnorm=several and torch.cuda.is_available(),  # torch has it for CUDA only
        use_distributed_sampler=False,
        precision=settings.precision,
        deterministic="warn",
        max_steps=steps,
        accumulate_grad_batches=settings.accumulate,
        val_check_interval=validate_every * settings.accumulate,
        gradient_clip_val=gradient_clip,
        log_every_n_steps=10,
        num_sanity_val_steps=0,
        logger=TensorBoardLogger(out, name="", version=""),
        callbacks=callbacks,
    )


def check_checkpoint(resume: Path, out: Path) -> None:
    """InputError unless ``resume`` is a checkpoint of a run in ``out``, where the best one so far lies beside it."""
    if not zipfile.is_zipfile(resume):
        raise InputError(resume, "is not a checkpoint", f"name the {LAST} of an interrupted run with --resume")
    if resume.resolve().parent != out.resolve():
        raise InputError(resume, f"is not in {out}", "name with --out the folder of the run that goes on")


def load_checkpoint(network: nn.Module, checkpoint: Path) -> None:
    """Fill ``network`` with the weights of a checkpoint; the averaged ones where the run averaged."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "network."
    network.load_state_dict({name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)})
