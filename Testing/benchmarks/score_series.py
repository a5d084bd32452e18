"""Speed and memory of scoring on this machine: ``python Testing/benchmarks/score_series.py``.

A series of 160 slices of 256 x 256, the matrix of many 3-D brain scans, made of textured ellipses. Each setting runs in a
process of its own, so that the peak of memory is its own. Prints slices per second (start-up excluded), seconds of start-up and
the peak.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

SETTINGS = (("cpu", "fp32"), ("cpu", "bf16"), ("cuda", "fp32"), ("cuda", "bf16"))


def measure(device: str, precision: str, slices: int, side: int, model: str) -> dict[str, float]:
    """Score once with a warm model; seconds, slices per second and MiB of peak memory of this process."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit"))
    from mr_samples import slice_like

    few = np.stack([slice_like(side, side, seed) for seed in range(8)])
    began = time.perf_counter()
    from miqanet_core import Scorer
    from miqanet_core.series import MRSeries

    scorer = Scorer(model, device, precision)
    start_up = time.perf_counter() - began
    scorer.score(MRSeries(few[:2], None, "warm-up", "MR"))
    series = MRSeries(np.tile(few, (-(-slices // 8), 1, 1))[:slices], None, "benchmark", "MR")
    began = time.perf_counter()
    scorer.score(series)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"start_up_s": start_up, "seconds": seconds, "slices_per_s": slices / seconds, "peak_mib": peak}


def main(
    slices: Annotated[int, typer.Option(help="Slices of the series.")] = 160,
    side: Annotated[int, typer.Option(help="Rows and columns of a slice.")] = 256,
    model: Annotated[str, typer.Option(help="A model's name or a weights file.")] = "default",
    one: Annotated[str, typer.Option(hidden=True, help="DEVICE/PRECISION: measure in this process, print JSON.")] = "",
) -> None:
    """Print a table of speed and peak memory for every device and precision that this machine has."""
    if one:
        device, precision = one.split("/")
        print(json.dumps(measure(device, precision, slices, side, model)))
        return
    import torch

    print(f"{slices} slices of {side} x {side}, model {model}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{'device':8}{'precision':11}{'slices/s':>9}{'seconds':>9}{'start-up s':>12}{'peak MiB':>10}")
    for device, precision in SETTINGS:
        if device == "cuda" and not torch.cuda.is_available():
            print(f"{device:8}{precision:11}   not measured: no CUDA device")
            continue
        command = [sys.executable, __file__, "--one", f"{device}/{precision}", "--slices", str(slices)]
        command += ["--side", str(side), "--model", model]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"error: {device} {precision} failed: {done.stderr.strip().splitlines()[-1]}")
        r = json.loads(done.stdout)
        print(
            f"{device:8}{precision:11}{r['slices_per_s']:9.1f}{r['seconds']:9.1f}{r['start_up_s']:12.1f}{r['peak_mib']:10.0f}"
        )


if __name__ == "__main__":
    typer.run(main)
