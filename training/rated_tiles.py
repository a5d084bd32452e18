"""Rated images as the released protocol shows them to the network: a random crop to learn from, five crops to be tested on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from miqanet_core.transforms import TileGrid, normalise
from rated import RatedImage, read_image

# The four corners and the centre, which is the last.
CROPS = 5

Read = Callable[[RatedImage], np.ndarray]


@dataclass(frozen=True)
class TileShape:
    """Side of a tile and of one entry of its maps, in pixels."""

    tile: int
    patch: int

    def cut(self, image: np.ndarray, start: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """The tile (T, T) from ``start`` (row, column), air (0) beyond the image; and where it holds a pixel of it, (h, w)."""
        rows, columns = image.shape
        grid = TileGrid(rows, columns, self.tile, 1)
        edges = np.arange(self.tile // self.patch) * self.patch
        inside = (start[0] + edges < rows)[:, None] & (start[1] + edges < columns)
        return torch.from_numpy(np.ascontiguousarray(grid.cut(grid.pad(image), start))), torch.from_numpy(inside)

    def spare(self, image: np.ndarray) -> tuple[int, int]:
        """Rows and columns by which the image exceeds a tile; 0 where it does not."""
        rows, columns = (max(0, side - self.tile) for side in image.shape)
        return rows, columns


def loaded(image: RatedImage) -> np.ndarray:
    """A rated image as the scorer sees it: float32 (rows, columns), 0..1. InputError when it cannot be read."""
    return normalise(read_image(image.path)[np.newaxis])[0]


def flipped_horizontally(image: np.ndarray) -> np.ndarray:
    """Left and right exchanged, (rows, columns); the released code exchanges top and bottom under this name."""
    return image[:, ::-1]


class RandomCrops(Dataset[dict[str, Tensor]]):
    """Every image once, in random order, then again in another, and so on for ``length`` items: each a crop at random, half of
    them flipped horizontally. An item is drawn from (seed, its number) alone, whatever was asked for before.
    ``read``: gives the pixels.

    An item: ``tiles`` (T, T), 0..1; ``inside`` (h, w), boolean; ``score`` (), the opinion score in 0..1.
    """

    def __init__(self, images: list[RatedImage], shape: TileShape, length: int, seed: int, read: Read = loaded) -> None:
        self.images, self.shape, self.length, self.seed, self.read = images, shape, length, seed, read

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        times, place = divmod(number, len(self.images))
        # Two streams, as the number of a pass over the images may be that of an item.
        order = np.random.default_rng([self.seed, 0, times]).permutation(len(self.images))
        rng = np.random.default_rng([self.seed, 1, number])
        rated = self.images[order[place]]
        image = self.read(rated)
        if rng.random() < 0.5:
            image = flipped_horizontally(image)
        rows, columns = self.shape.spare(image)
        tile, inside = self.shape.cut(image, (int(rng.integers(rows + 1)), int(rng.integers(columns + 1))))
        return {"tiles": tile, "inside": inside, "score": torch.tensor(rated.score / 100, dtype=torch.float32)}


class FiveCrops(Dataset[dict[str, Tensor]]):
    """All images in their order, each as its four corners and its centre: of an image no larger than a tile, all alike.

    Not the scorer's tiles, which leave out what shows no anatomy: photographs have none. An item: ``tiles`` (5, T, T),
    ``inside`` (5, h, w), ``score`` () as for :class:`RandomCrops`, as is ``read``.
    """

    def __init__(self, images: list[RatedImage], shape: TileShape, read: Read = loaded) -> None:
        self.images, self.shape, self.read = images, shape, read

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rated = self.images[index]
        image = self.read(rated)
        rows, columns = self.shape.spare(image)
        starts = [(0, 0), (0, columns), (rows, 0), (rows, columns), (rows // 2, columns // 2)]
        tiles, inside = zip(*(self.shape.cut(image, start) for start in starts), strict=True)
        score = torch.tensor(rated.score / 100, dtype=torch.float32)
        return {"tiles": torch.stack(tiles), "inside": torch.stack(inside), "score": score}
