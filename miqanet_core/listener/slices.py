"""Slices that were scored as they came, kept until their series is complete.

A slice is known by the SHA-256 of its voxels: its score depends on nothing else but the model's weights, so it serves whichever
stack and place the slice turns out to have.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path

import numpy as np
import torch

from miqanet_core.model import NetworkOutput
from miqanet_core.quality import ModelIdentity
from miqanet_core.scorer import ScoredSlice


def digest_of(voxels: np.ndarray) -> str:
    """Of one slice, float32 (rows, columns)."""
    digest = hashlib.sha256(str(voxels.shape).encode())
    digest.update(np.ascontiguousarray(voxels).data)
    return digest.hexdigest()


class KeptSlices:
    """The scored slices of one series, for one model, in the results folder; retention removes them with the series."""

    def __init__(self, results: Path, series_id: int, model: ModelIdentity) -> None:
        self._folder = results / "slices" / str(series_id) / model.weights_sha256[:16]

    def save(self, digest: str, scored: ScoredSlice) -> None:
        """Keep a slice; whole or not at all."""
        values: dict[str, np.ndarray] = {"map": scored.map, "score": np.array(np.nan if scored.score is None else scored.score)}
        if scored.output is not None:
            values |= {f"output_{name}": tensor.numpy() for name, tensor in scored.output._asdict().items()}
        write_arrays(self._folder / f"{digest}.npz", values)

    def load(self, digest: str) -> ScoredSlice | None:
        """The slice, or None when it was not kept."""
        try:
            with np.load(self._folder / f"{digest}.npz", allow_pickle=False) as values:
                score = float(values["score"])
                output = None
                if "output_score" in values:
                    output = NetworkOutput(*(torch.from_numpy(values[f"output_{name}"]) for name in NetworkOutput._fields))
                return ScoredSlice(None if np.isnan(score) else score, values["map"], output)
        except (OSError, ValueError, KeyError):
            return None


def write_arrays(path: Path, values: dict[str, np.ndarray], compressed: bool = False) -> None:
    """An .npz file, durable and whole or not there at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f"{uuid.uuid4().hex}.part")
    try:
        with part.open("wb") as file:
            (np.savez_compressed if compressed else np.savez)(file, **values)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
