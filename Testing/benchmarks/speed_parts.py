"""What is measured in a process of its own: ``python speed_parts.py NAME OPTIONS-AS-JSON`` prints JSON."""

from __future__ import annotations

import importlib.util
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

REPEAT = 3


def imports() -> dict[str, float]:
    """Seconds that a fresh Python takes to import torch, and the scorer; best of three, in turn."""
    best: dict[str, float] = {}
    for _ in range(REPEAT):
        for name, module in (("torch_s", "torch"), ("scorer_s", "miqanet_core.scorer")):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
            best[name] = min(time.perf_counter() - began, best.get(name, float("inf")))
    return best


def reading(folder: str) -> dict[str, float]:
    """Seconds to read a DICOM series, and what pydicom takes for the pixels alone, file by file; best of three, in turn."""
    import pydicom
    from pydicom.pixels import apply_modality_lut

    from miqanet_core import read_series

    best: dict[str, float] = {}
    for _ in range(REPEAT):
        began = time.perf_counter()
        for path in sorted(Path(folder).iterdir()):
            dataset = pydicom.dcmread(path)
            apply_modality_lut(dataset.pixel_array, dataset)
        middle = time.perf_counter()
        read_series(folder)
        best["pydicom_s"] = min(middle - began, best.get("pydicom_s", float("inf")))
        best["series_s"] = min(time.perf_counter() - middle, best.get("series_s", float("inf")))
    return best


def scoring(
    device: str = "cpu",
    precision: str = "fp32",
    model: str = "default",
    slices: int = 160,
    side: int = 256,
    batch: int | None = None,
) -> dict[str, Any]:
    """A series scored by a warm model: seconds, slices and tiles a second, start-up and the peak of memory."""
    import numpy as np

    from speed_commands import slice_like

    few = np.stack([slice_like(side, side, seed) for seed in range(8)])
    began = time.perf_counter()
    import torch

    from miqanet_core import Scorer
    from miqanet_core.model import load_model
    from miqanet_core.series import MRSeries
    from miqanet_core.transforms import TileGrid

    scorer = Scorer(model, device, precision, batch_size=batch)
    start_up = time.perf_counter() - began
    tile = load_model(model).config.tile_size
    tiles = slices * len(TileGrid(side, side, tile, tile // 16).starts)
    scorer.score(MRSeries(few[:2], None, "warm-up", "MR"))
    series = MRSeries(np.tile(few, (-(-slices // 8), 1, 1))[:slices], None, "benchmark", "MR")
    began = time.perf_counter()
    scorer.score(series)
    seconds = time.perf_counter() - began
    return {
        "slices": slices,
        "side": side,
        "batch": batch,
        "seconds": seconds,
        "slices_per_s": slices / seconds,
        "tiles_per_s": tiles / seconds,
        "threads": torch.get_num_threads(),
        "start_up_s": start_up,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10),
    }


def network() -> dict[str, Any]:
    """The released layout's plain float32 forward against ours: see ``network.py``."""
    from network import ratios

    return dict(ratios())


def maniqa() -> dict[str, Any]:
    """Seconds of MANIQA of pyiqa for an image of 224 x 224, one crop, over ours for a tile of 256 x 256."""
    name = "MANIQA of pyiqa / a tile of ours"
    if importlib.util.find_spec("pyiqa") is None:
        return {name: "not installed"}
    import pyiqa
    import torch

    peer = pyiqa.create_metric("maniqa", device="cpu", pretrained=False, test_sample=1)
    image = torch.rand(1, 3, 224, 224)
    best = float("inf")
    for _ in range(REPEAT):
        began = time.perf_counter()
        with torch.inference_mode():
            peer(image)
        best = min(best, time.perf_counter() - began)
    return {name: best * scoring(slices=8)["tiles_per_s"]}


def training(**options: Any) -> dict[str, float]:
    """Samples a second of a training run: see ``speed_training.py``."""
    from speed_training import training

    return training(**options)


def simulation() -> dict[str, float]:
    """Samples a second that one process makes for training."""
    from speed_training import simulation

    return simulation()


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](**json.loads(sys.argv[2]))))
