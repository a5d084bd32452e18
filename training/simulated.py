"""Training tiles: one clean tile and three degraded ones of the same place, with the teacher's labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monai.transforms import Compose, RandFlip, RandRotate90
from torch import Tensor
from torch.utils.data import Dataset

from acquisition import another_acquisition
from miqanet_core import artifacts
from miqanet_core.transforms import TileGrid, anatomy_mask, normalise
from miqanet_core.transforms.intensity import HIGH_PERCENTILE, LOW_PERCENTILE
from sources import Reference
from teacher import judge

# A tile that shows less anatomy than this teaches nothing.
LEAST_ANATOMY = 0.10
# The tiles of a group: the clean one and three degraded.
GROUP = 4


def intensity_range(image: np.ndarray) -> tuple[float, float]:
    """What :func:`miqanet_core.transforms.normalise` maps to 0 and to 1 in this slice."""
    low, high = np.percentile(image, (LOW_PERCENTILE, HIGH_PERCENTILE))
    return float(low), float(high)


class SimulatedTiles(Dataset[dict[str, Tensor]]):
    """Groups of tiles, each drawn from (seed, index) alone: one seed gives one data set, whatever the number of workers.

    An item: ``tiles`` (4, T, T) normalised; ``score`` (4,), ``score_map`` and ``weight_map`` (4, h, w) from the teacher, 0..1,
    with weight 0 on patches outside the slice; ``severity`` (4, K), 0..1, of each of :func:`artifacts.families`, 0 where it is
    absent. The first tile is clean; the others are either one artefact at three severities, or three artefacts.

    ``frequency``: how often each artefact is drawn, relative to the others; what it does not name is never drawn.
    """

    def __init__(
        self, references: list[Reference], tile: int, patch: int, length: int, seed: int, frequency: Mapping[str, float]
    ) -> None:
        self.by_subject: dict[str, list[Reference]] = {}
        for reference in references:
            self.by_subject.setdefault(reference.source.subject, []).append(reference)
        self.tile, self.patch, self.length, self.seed = tile, patch, length, seed
        self.names = list(frequency)
        self.frequency = np.array(list(frequency.values())) / sum(frequency.values())
        self.turn = Compose([RandFlip(0.5, spatial_axis=0), RandFlip(0.5, spatial_axis=1), RandRotate90(0.3)])

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([self.seed, index])
        while True:
            subject = list(self.by_subject.values())[rng.integers(len(self.by_subject))]
            item = self._group(subject[rng.integers(len(subject))].image, rng)
            if item is not None:
                return item

    def _reference(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        self.turn.set_random_state(int(rng.integers(2**31)))
        return another_acquisition(np.asarray(self.turn(image[None].astype(np.float32))[0]), rng)

    def _plan(self, rng: np.random.Generator) -> list[list[tuple[str, float, int]]]:
        """What is done to each of the degraded tiles: (artefact, severity, seed) one after the other."""
        severities = rng.uniform(0.03, 1.0, GROUP - 1)
        if rng.random() < 0.6:
            name, seed = str(rng.choice(self.names, p=self.frequency)), int(rng.integers(2**31))
            return [[(name, float(severity), seed)] for severity in severities]
        plan = []
        for severity in severities:
            count = 1 if rng.random() < 0.75 else 2
            chosen = rng.choice(self.names, count, replace=False, p=self.frequency)
            plan.append([(str(n), float(severity) / count**0.5, int(rng.integers(2**31))) for n in chosen])
        return plan

    def _group(self, image: np.ndarray, rng: np.random.Generator) -> dict[str, Tensor] | None:
        reference = self._reference(image, rng)
        rows, columns = reference.shape
        grid = TileGrid(rows, columns, self.tile, self.patch)
        spare = [(side - self.tile) // self.patch for side in grid.padded]
        start = (int(rng.integers(spare[0] + 1)) * self.patch, int(rng.integers(spare[1] + 1)) * self.patch)
        if grid.cut(anatomy_mask(reference), start).mean() < LEAST_ANATOMY:
            return None
        degraded = [reference]
        plan = self._plan(rng)
        for steps in plan:
            current = reference
            for name, severity, seed in steps:
                current = artifacts.simulate(current, name, severity, seed)
            degraded.append(current)
        low, high = intensity_range(reference)
        on_one_scale = torch.from_numpy(
            np.stack([grid.cut(grid.pad((d - low) / (high - low)), start) for d in degraded]).astype(np.float32)
        )[:, None].clamp(0, 1)
        cells = self.tile // self.patch
        inside_tile = (min(self.tile, rows - start[0]), min(self.tile, columns - start[1]))
        truth = judge(on_one_scale[1:], on_one_scale[:1].expand_as(on_one_scale[1:]), cells, inside_tile)
        row_starts, column_starts = (np.arange(cells) * self.patch + at for at in start)
        inside = torch.from_numpy((row_starts[:, None] < rows) & (column_starts[None, :] < columns))
        tiles = np.stack([grid.cut(grid.pad(n), start) for n in normalise(np.stack(degraded))])
        images = {
            "tiles": torch.from_numpy(tiles),
            "score_map": with_clean(truth.score_map, torch.ones(cells, cells)),
            "weight_map": (with_clean(truth.weight_map, truth.weight_map.amin(0)) + 1.0) * inside,
        }
        return {
            **(mirrored(images, rng) if inside.all() else images),  # a slice's padding always lies below it and to its right
            "score": with_clean(truth.score, torch.ones(())),
            "severity": torch.tensor([severities([])] + [severities(steps) for steps in plan]),
        }


def mirrored(images: Mapping[str, Tensor], rng: np.random.Generator) -> dict[str, Tensor]:
    """Each member of a group, dim 0, mirrored or not along each of its last two dims, alike in all ``images``.

    What is worse than what is then asked across mirror images: a score that hangs on which way up anatomy lies is wrong twice.
    """
    flips = [[dim for dim in (-2, -1) if rng.random() < 0.5] for _ in range(GROUP)]
    return {
        name: torch.stack([member.flip(dims) for member, dims in zip(members, flips, strict=True)])
        for name, members in images.items()
    }


def severities(steps: list[tuple[str, float, int]]) -> list[float]:
    """The severity of each family of artefacts after these steps: that of its worst member."""
    return [
        max((severity for name, severity, _ in steps if name in members), default=0.0)
        for members in artifacts.families().values()
    ]


def with_clean(degraded: Tensor, clean: Tensor) -> Tensor:
    """The clean tile's label before those of the degraded ones, along dim 0."""
    return torch.cat([clean[None], degraded])


def collate(groups: list[dict[str, Any]]) -> dict[str, Tensor]:
    """Groups one after the other: dim 0 is group * 4 + member."""
    return {key: torch.cat([group[key] for group in groups]) for key in groups[0]}
