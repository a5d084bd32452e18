"""The batches of a whole run: the same for any number of processes, and from any step on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import lightning as L
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Sampler

from miqanet_core.errors import InputError
from settings import RunSettings

Items = Dataset[dict[str, Tensor]]


class GlobalBatches(Sampler[list[int]]):
    """One process's share of every batch, in order: process ``rank`` of ``world`` takes its equal part of each.

    Items are numbered through the whole run, and batch k holds those from k * ``size`` on, so a batch is the same whoever
    makes it and whenever. ``start``: batches that an interrupted run has done; the length counts them, as Lightning does.
    """

    def __init__(self, batches: int, size: int, start: int, rank: int, world: int) -> None:
        self.batches, self.size, self.start = batches, size, start
        self.share, self.first = size // world, rank * (size // world)

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[list[int]]:
        for batch in range(self.start, self.batches):
            first = batch * self.size + self.first
            yield list(range(first, first + self.share))


class RunData(L.LightningDataModule):
    """``training``: an item for every place in every batch of the run, each depending on its number alone. ``validation``: all
    of it is seen, by one process or another. ``size``: items of a batch, over all processes. ``made_with``: what a resumed run
    must have in common with the one it goes on from.
    """

    def __init__(
        self,
        settings: RunSettings,
        training: Items,
        validation: Items,
        size: int,
        workers: int,
        collate: Callable[[list[dict[str, Tensor]]], dict[str, Tensor]] | None = None,
    ) -> None:
        super().__init__()
        self.settings, self.training, self.validation, self.size = settings, training, validation, size
        self.options: dict[str, Any] = {"num_workers": workers, "collate_fn": collate, "persistent_workers": workers > 0}

    @property
    def made_with(self) -> dict[str, Any]:
        return {"recipe": self.settings.model_dump(), "items": [len(self.training), len(self.validation)]}  # type: ignore[arg-type]

    def state_dict(self) -> dict[str, Any]:
        return self.made_with

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """InputError when the checkpoint is of a run with another recipe or other data."""
        changed = [key for key, value in self.made_with.items() if state_dict.get(key) != value]
        if changed:
            problem = f"does not fit the checkpoint: that run was begun with other {' and '.join(changed)}"
            raise InputError(self.settings.file, problem, "resume with what it was begun with, or begin anew without --resume")

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        assert self.trainer is not None
        world = self.trainer.world_size
        if self.size % world:
            problem = f"makes batches of {self.size}, which {world} processes cannot share equally"
            raise InputError(self.settings.file, problem, "start a number of processes that divides it")
        # Lightning has restored its progress by now: the batches that were trained on.
        done = self.trainer.fit_loop.epoch_loop.batch_progress.current.ready
        batches = len(self.training) // self.size  # type: ignore[arg-type]
        sampler = GlobalBatches(batches, self.size, done, self.trainer.global_rank, world)
        return DataLoader(self.training, batch_sampler=sampler, **self.options)

    def val_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        assert self.trainer is not None
        world = self.trainer.world_size
        # It fills up with repeats, so that all processes take equally many batches; `everyone` leaves them out again.
        sampler: DistributedSampler[Any] = DistributedSampler(self.validation, world, self.trainer.global_rank, shuffle=False)
        return DataLoader(self.validation, max(1, self.size // world), sampler=sampler, **self.options)
