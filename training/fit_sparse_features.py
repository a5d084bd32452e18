"""Fits the feature detector of SFF to the photographs that scikit-image ships: python training/fit_sparse_features.py"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from skimage import data
from sklearn.decomposition import FastICA

COMPONENTS, SIDE, BLOCKS = 24, 8, 20000
PHOTOGRAPHS = ("astronaut", "camera", "chelsea", "coffee", "coins", "gravel", "grass", "brick")
DETECTOR = Path(__file__).parents[1] / "miqanet_core/metrics/full_reference/sff_features.safetensors"


def photographs() -> list[np.ndarray]:
    """Grey photographs in 0..255; those that scikit-image would have to fetch are left out."""
    found = []
    for name in PHOTOGRAPHS:
        try:
            image = getattr(data, name)().astype(np.float64)
        except (OSError, ImportError) as error:
            print(f"left out {name}: {error}", file=sys.stderr)
            continue
        found.append(image @ (0.298936, 0.587043, 0.114021) if image.ndim == 3 else image)
    return found


def main() -> None:
    rng = np.random.default_rng(0)
    images = photographs()
    vectors = []
    for image in images:
        for _ in range(BLOCKS // len(images)):
            row, column = rng.integers(0, image.shape[0] - SIDE), rng.integers(0, image.shape[1] - SIDE)
            vectors.append(image[row : row + SIDE, column : column + SIDE].ravel())
    centred = np.stack(vectors)
    centred -= centred.mean(1, keepdims=True)
    ica = FastICA(COMPONENTS, whiten="unit-variance", random_state=0, max_iter=500, tol=1e-3).fit(centred)
    save_file({"components": torch.from_numpy(np.ascontiguousarray(ica.components_))}, DETECTOR)
    DETECTOR.with_suffix(".txt").write_text(
        f"sff_features.safetensors: components ({COMPONENTS}, {SIDE * SIDE}), float64\n\n"
        f"Fitted by training/fit_sparse_features.py to {len(vectors)} blocks of {len(images)} photographs that scikit-image "
        "ships. They give unit variance on those blocks, in 0..255 with their mean taken off.\n",
        encoding="utf-8",
    )
    print(f"wrote {DETECTOR}, fitted to {len(images)} photographs in {ica.n_iter_} iterations")


if __name__ == "__main__":
    main()
