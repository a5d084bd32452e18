"""Does an exported file score as MIQA's own scorer does? Asked before the file is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from scipy import ndimage

from miqanet_core.cli.demo import demo_series, spoiled
from miqanet_core.errors import ModelError
from miqanet_core.model import LoadedModel
from miqanet_core.scorer import Scorer
from miqanet_core.transforms import SliceMap, TileGrid, normalise, to_network

# The largest difference of a slice's score that counts as equal, in points of 100.
TOLERANCE = 1e-3
# The same for the other outputs, relative to the largest value of each.
OUTPUT_TOLERANCE = 1e-4

# An exported network: tiles (B, 3, T, T) -> its outputs by name.
Run = Callable[[np.ndarray], Mapping[str, np.ndarray]]


def check_slices() -> np.ndarray:
    """A slice of a real brain scan, clean and spoiled, thrice as large so that there are several tiles of each.

    float32 (2, 288, 384). Enlarged by splines: repeated pixels look like no MR, and the scorer would not assess them.
    """
    clean = demo_series()
    middle = len(clean.voxels) // 2
    both = np.stack([series.voxels[middle] for series in (clean, spoiled(clean))])
    return np.maximum(ndimage.zoom(both, (1, 3, 3), order=3), 0).astype(np.float32)


def scorer_scores(weights: str, voxels: np.ndarray) -> list[float | None]:
    """What the scorer says of slices (N, rows, columns), 0..100: on the CPU and in float32, as the exported network runs."""
    return [scored.score for scored in Scorer(weights, device="cpu", precision="fp32").slices(voxels)]


def check_scores(got: Sequence[float | None], want: Sequence[float | None]) -> float:
    """The largest difference of two lists of slice scores, in points; ModelError when it is not within the tolerance."""
    if len(got) != len(want):
        raise ModelError(f"it scores {len(got)} slices where there are {len(want)}")
    # None becomes NaN, which no comparison finds equal: nothing in these slices may be left unscored.
    difference = float(np.abs(np.array(got, float) - np.array(want, float)).max())
    if not difference <= TOLERANCE:
        raise ModelError(f"its scores differ from the scorer's by {difference:.3g} of 100 points (allowed: {TOLERANCE:g})")
    return difference


def check_network(run: Run, loaded: LoadedModel, weights: str) -> float:
    """Cut real slices into tiles, score them by ``run`` and compare with the scorer, and every output with the network's.

    Returns the largest difference of a slice's score, in points of 100; ModelError when anything differs by more than allowed.
    """
    tile = loaded.config.tile_size
    patch = tile // loaded.network.global_branch.grid
    voxels = check_slices()
    scores = []
    for image in voxels:
        grid = TileGrid(image.shape[0], image.shape[1], tile, patch)
        padded, starts = grid.pad(normalise(image[None])[0]), grid.with_anatomy(image)
        tiles = to_network(torch.from_numpy(np.stack([grid.cut(padded, start) for start in starts]))).contiguous()
        # A batch of one and a batch of the others: the file must take any number.
        parts = [run(part.numpy()) for part in (tiles[:1], tiles[1:]) if len(part)]
        got = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        _check_outputs(got, loaded, tiles)
        slice_map = SliceMap(grid)
        for start, score_map, weight_map in zip(starts, got["score_map"], got["weight_map"], strict=True):
            slice_map.add(start, torch.from_numpy(score_map).clamp(0, 1), torch.from_numpy(weight_map))
        scores.append(100 * slice_map.score())
    return check_scores(scores, scorer_scores(weights, voxels))


def _check_outputs(got: Mapping[str, np.ndarray], loaded: LoadedModel, tiles: torch.Tensor) -> None:
    with torch.inference_mode():
        output = loaded.network(tiles)._asdict()
    for name, values in got.items():
        want = output[name].numpy()
        difference = float(np.abs(values - want).max()) if values.shape == want.shape else np.inf
        allowed = OUTPUT_TOLERANCE * max(1.0, float(np.abs(want).max()))
        if not difference <= allowed:
            raise ModelError(f"its output {name} differs from the network's by {difference:.3g} (allowed: {allowed:.3g})")
