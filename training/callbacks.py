"""What happens around the batches of a run: dropout that repeats, checkpoints, an end before the end, and a progress bar."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint, EarlyStopping, TQDMProgressBar


class SeededBatches(Callback):
    """Dropout and stochastic depth are drawn from (seed, batch, process) alone: a resumed run needs no generator's state."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int) -> None:
        torch.manual_seed(int(np.random.SeedSequence([self.seed, batch_idx, trainer.global_rank]).generate_state(1)[0]))


class LastCheckpoint(Checkpoint):
    """``path`` is written after every validation, every ``every`` steps between them (None: not between), and after the last.

    Never before a validation of the same step, which a run that resumes from there would leave out; never between the batches
    of one step, whose gradients no checkpoint holds.
    """

    def __init__(self, path: Path, every: int | None) -> None:
        self.path, self.every = path, every

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        done, step = batch_idx + 1, trainer.global_step
        due = step == trainer.max_steps or (self.every is not None and step % self.every == 0)
        if due and done % trainer.accumulate_grad_batches == 0 and done % int(trainer.val_check_batch):  # type: ignore[arg-type]
            trainer.save_checkpoint(self.path, weights_only=False)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        trainer.save_checkpoint(self.path, weights_only=False)


class BestCheckpoint(Checkpoint):
    """``path`` is written after every validation whose ``figure`` is greater than all before; one that is NaN counts least.

    What is remembered is the figure alone, so the folder of a run may be moved before the run is resumed.
    """

    def __init__(self, path: Path, figure: str) -> None:
        self.path, self.figure, self.best = path, figure, math.nan

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        value = float(trainer.callback_metrics[self.figure])
        value = -math.inf if math.isnan(value) else value
        if math.isnan(self.best) or value > self.best:
            self.best = value
            trainer.save_checkpoint(self.path, weights_only=False)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]


class StayStopped(EarlyStopping):
    """Early stopping that a resumed run remembers: resumed after it had stopped, it does not go on."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


class ProgressBar(TQDMProgressBar):
    """One bar for the whole run, so that the time left is the run's; also of a run that goes on from a checkpoint."""

    def on_train_start(self, *arguments: Any) -> None:
        super().on_train_start(*arguments)
        self._count_from(self.trainer.fit_loop.epoch_loop.batch_progress.current.ready)

    def on_train_epoch_start(self, trainer: L.Trainer, *arguments: Any) -> None:
        super().on_train_epoch_start(trainer, *arguments)
        self._count_from(0)

    def _count_from(self, done: int) -> None:
        self.train_progress_bar.reset(self.total_train_batches)
        self.train_progress_bar.n = self.train_progress_bar.initial = done
        self.train_progress_bar.set_description("training")
