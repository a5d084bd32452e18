"""``torch.export``: a program that torch runs without MIQA. ``torch.export.load(file).module()(tiles)["score"]``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from exports.equality import check_network
from exports.tile_network import facts, trace
from miqanet_core.model import LoadedModel

SUFFIX = ".pt2"
PACKAGES: tuple[str, ...] = ()


def write(loaded: LoadedModel, weights: Path, out: Path) -> float:
    """Write ``out`` and return by how much its scores differ, in points; ModelError when by more than allowed.

    What the file says of itself lies beside the program, as ``miqa.json``.
    """
    torch.export.save(trace(loaded.network), out, extra_files={"miqa.json": json.dumps(facts(loaded), indent=2)})
    program = torch.export.load(out).module()

    def run(tiles: np.ndarray) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            return {name: values.numpy() for name, values in program(torch.from_numpy(tiles)).items()}

    return check_network(run, loaded, str(weights))
