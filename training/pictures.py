"""Pictures of quality maps for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightning as L
import matplotlib
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

# Tiles shown at each validation.
MOST = 8


def map_picture(shown: Mapping[str, Tensor]) -> np.ndarray:
    """One row for each tile: the tile, the predicted score map and the teacher's, where there is one.

    Gives RGB (rows, columns, 3), 0..1.
    ``tile`` (N, T, T) 0..1; ``predicted`` and ``teacher`` (N, h, w) 0..1, of which h and w divide T.
    """
    tiles = shown["tile"].float().cpu().numpy()
    columns = [np.repeat(tiles[..., None], 3, axis=-1)]
    for name in ("predicted", "teacher"):
        if name in shown:
            values = shown[name].detach().float().clamp(0, 1).cpu().numpy()
            side = tiles.shape[-1] // values.shape[-1]
            coloured = matplotlib.colormaps["viridis"](values)[..., :3]
            columns.append(coloured.repeat(side, axis=1).repeat(side, axis=2))
    return np.concatenate(np.concatenate(columns, axis=2))


class MapPictures(Callback):
    """The first tiles of every validation, from what the module's ``validation_step`` returns: see :func:`map_picture`."""

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if batch_idx == 0 and trainer.is_global_zero:
            picture = torch.from_numpy(map_picture({name: values[:MOST] for name, values in outputs.items()}))
            trainer.logger.experiment.add_image("maps", picture, trainer.global_step, dataformats="HWC")  # type: ignore[union-attr]
