"""What a MONAI Bundle of MIQA calls when MONAI runs it: the network as MONAI's tools take one, and the scoring of files.

``python training/export.py --format bundle`` writes such a bundle: weights and configuration, no code of its own.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from miqanet_core.cli.outputs import to_json
from miqanet_core.errors import InputError, ModelError
from miqanet_core.model import NetworkConfig, create_model
from miqanet_core.readers import read_all_series
from miqanet_core.report.files import write_file
from miqanet_core.scorer import Scorer


class QualityMaps(nn.Module):
    """MIQANet as MONAI's tools take a network, one tensor in and one out: tiles (B, 3, T, T) -> maps (B, 2, h, w), float32.

    ``config``: JSON of a :class:`NetworkConfig`; ModelError when it is none. Tiles are as :class:`MIQANet` takes them, -1..1.
    Channel 0 is the score of each place, 1 best and 0 worst; channel 1 is how much the place counts, 0..1.
    """

    def __init__(self, config: str) -> None:
        super().__init__()
        self.network = create_model(NetworkConfig.from_json(config))

    def forward(self, tiles: Tensor) -> Tensor:
        output = self.network(tiles)
        return torch.stack([output.score_map, output.weight_map], 1)


def score(path: str, result: str, weights: str, device: str) -> Path:
    """Score every series under ``path`` (file or folder) and write ``result``, the JSON of ``miqanet score --json``.

    ``weights``: the bundle's weights file; ``device``: as :class:`Scorer` takes it. Returns the file written. MONAI's runner
    would print an error as a traceback, so what a user can put right leaves as SystemExit with one line.
    """
    try:
        if not Path(weights).is_file():
            raise ModelError(f"{weights}: no such weights; run in the bundle's folder or give --bundle_root FOLDER")
        scorer = Scorer(weights, device)
        qualities = [scorer.score(series) for series in read_all_series(path)]
        written = write_file(result, to_json(qualities))
    except (InputError, ModelError) as error:
        raise SystemExit(f"error: {error}") from None
    print(f"wrote {written}")
    return written
