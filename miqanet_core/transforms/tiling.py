"""Cutting a slice into tiles, and putting the tiles' maps together again."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from torch import Tensor

from miqanet_core.transforms.anatomy import anatomy_mask

# Neighbouring tiles share at least this part of their side, so that no border of a tile goes unseen from its inside.
LEAST_OVERLAP = 1 / 8
# A tile is scored when anatomy covers at least this part of the image inside it.
LEAST_ANATOMY = 0.02


@dataclass(frozen=True)
class TileGrid:
    """How slices of one size are cut: at native resolution, pixels are never resampled.

    ``rows``, ``columns``: the slice in pixels. ``tile``, ``patch``: side of a tile and of one entry of its maps, in pixels.
    A slice is padded with air (0) at its bottom and right to whole patches, and to one tile at least; a slice smaller than a
    tile is padded, not enlarged, because enlarging looks like lost resolution. All tiles start at whole patches, so the
    maps of overlapping tiles fall on one common grid of patches.
    """

    rows: int
    columns: int
    tile: int
    patch: int

    def _padded(self, length: int) -> int:
        return max(self.tile, ceil(length / self.patch) * self.patch)

    def _starts(self, length: int) -> list[int]:
        spare = (self._padded(length) - self.tile) // self.patch
        steps = ceil(spare * self.patch / (self.tile * (1 - LEAST_OVERLAP)))
        return [round(spare * i / steps) * self.patch for i in range(steps + 1)] if steps else [0]

    @property
    def padded(self) -> tuple[int, int]:
        """Rows and columns of the padded slice: whole patches, one tile at least."""
        return self._padded(self.rows), self._padded(self.columns)

    @property
    def starts(self) -> list[tuple[int, int]]:
        """Upper left corners of the tiles, (row, column) in pixels."""
        return [(row, column) for row in self._starts(self.rows) for column in self._starts(self.columns)]

    @property
    def patches(self) -> tuple[int, int]:
        """Size of the slice's map, in patches that hold at least one pixel of the slice."""
        return ceil(self.rows / self.patch), ceil(self.columns / self.patch)

    def pad(self, image: np.ndarray) -> np.ndarray:
        """The normalised slice (rows, columns), padded so that every tile lies inside."""
        return np.pad(image, [(0, padded - side) for padded, side in zip(self.padded, image.shape, strict=True)])

    def cut(self, padded: np.ndarray, start: tuple[int, int]) -> np.ndarray:
        """One tile (tile, tile) of a padded slice."""
        row, column = start
        return padded[row : row + self.tile, column : column + self.tile]

    def with_anatomy(self, image: np.ndarray) -> list[tuple[int, int]]:
        """The starts of the tiles worth scoring: those with anatomy on at least 2 % of their image; none in an empty slice."""
        mask = anatomy_mask(image)
        return [s for s in self.starts if self.cut(mask, s).mean() >= LEAST_ANATOMY] if mask.any() else []


def to_network(tiles: Tensor) -> Tensor:
    """Normalised tiles (B, T, T) in 0..1 -> the network's input (B, 3, T, T), (x - 0.5) / 0.5 in three equal channels."""
    return ((tiles - 0.5) / 0.5)[:, None].expand(-1, 3, -1, -1)


class SliceMap:
    """Collects the maps of one slice's tiles and gives the slice's score and quality map."""

    def __init__(self, grid: TileGrid) -> None:
        self.grid = grid
        size = [side // grid.patch for side in grid.padded]
        self._weighted, self._weight, self._covered = (torch.zeros(size, dtype=torch.float64) for _ in range(3))

    def add(self, start: tuple[int, int], score_map: Tensor, weight_map: Tensor) -> None:
        """One tile's score and weight maps, (h, w) each."""
        row, column = (n // self.grid.patch for n in start)
        where = (slice(row, row + score_map.shape[0]), slice(column, column + score_map.shape[1]))
        self._weighted[where] += score_map.double() * weight_map.double()
        self._weight[where] += weight_map.double()
        self._covered[where] += 1

    def score(self) -> float:
        """sum(score * weight) / sum(weight) over all patches of all tiles that hold a pixel of the slice."""
        rows, columns = self.grid.patches
        weight = self._weight[:rows, :columns].sum()
        return float(self._weighted[:rows, :columns].sum() / weight.clamp_min(torch.finfo(torch.float64).tiny))

    def quality_map(self) -> np.ndarray:
        """The score of every pixel, float32 (rows, columns): patches are interpolated linearly; NaN where no tile lay."""
        rows, columns = self.grid.patches
        scores = (self._weighted / self._weight.clamp_min(1e-12))[:rows, :columns]
        covered = self._covered[:rows, :columns] > 0
        # Patches that no tile covered must not bleed into their neighbours: interpolate values and cover alike, then divide.
        pair = torch.stack([torch.where(covered, scores, 0.0), covered.double()])[None]
        wide = torch.nn.functional.interpolate(pair, scale_factor=self.grid.patch, mode="bilinear", align_corners=False)[0]
        whole = covered.repeat_interleave(self.grid.patch, 0).repeat_interleave(self.grid.patch, 1)
        pixels = torch.where(whole, wide[0] / wide[1].clamp_min(1e-12), torch.nan)
        return pixels[: self.grid.rows, : self.grid.columns].float().numpy()
