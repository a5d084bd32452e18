"""Engines for the shipped model on this CPU: ``python Testing/benchmarks/engines.py SERIES...``.

torch as the scorer runs it, torch.compile, ONNX Runtime and OpenVINO, in float32, bfloat16 and int8, on tiles of real series
and on the same tiles with noise added. All run in turns, the best of several runs each; what is not installed is said. int8 is
calibrated on every other tile and judged on the rest. Prints Markdown: seconds to prepare, tiles a second, and by how many
points of 100 a tile's score differs from torch's in float32.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from miqanet_core import read_all_series
from miqanet_core.model import LoadedModel, fold_for_scoring, load_model, unfuse_attention, weights_file
from miqanet_core.transforms import TileGrid, normalise, to_network

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "training"))

from exports import onnx_file  # noqa: E402

# Tiles (B, 3, T, T) in -1..1 -> scores (B,), 0..1.
Engine = Callable[[np.ndarray], np.ndarray]
BATCH, REPEATS, SLICES = 8, 7, 8
NOISE = 0.15  # of a tile's range
CALIBRATION_INPUT = "tiles"


def real_tiles(paths: list[Path], size: int, patch: int) -> np.ndarray:
    """Of SLICES slices of each series its tiles, and each again with noise: (N, 3, T, T) in -1..1."""
    tiles, draw = [], np.random.default_rng(0)
    for series in (one for path in paths for one in read_all_series(path)):
        count, rows, columns = series.voxels.shape
        grid = TileGrid(rows, columns, size, patch)
        for image in series.voxels[np.unique(np.linspace(0, count - 1, SLICES).round().astype(int))]:
            padded = grid.pad(normalise(image[None])[0])
            for start in grid.with_anatomy(image):
                tile = grid.cut(padded, start)
                tiles += [tile, np.clip(tile + draw.normal(0, NOISE, tile.shape), 0, 1).astype(np.float32)]
    # In any order, so that every other tile is of all series, with noise and without.
    mixed = np.stack(tiles)[draw.permutation(len(tiles))]
    return to_network(torch.from_numpy(mixed)).contiguous().numpy()


def torch_engine(loaded: LoadedModel, precision: torch.dtype, compiled: bool = False) -> Engine:
    """As the scorer runs it on a CPU."""
    network = fold_for_scoring(loaded.network).to(memory_format=torch.channels_last)
    if precision == torch.bfloat16:
        unfuse_attention(network)
    forward = torch.compile(network) if compiled else network

    def run(tiles: np.ndarray) -> np.ndarray:
        images = torch.from_numpy(tiles).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), torch.autocast("cpu", precision, enabled=precision != torch.float32):
            return np.asarray(forward(images).score.float().numpy())

    return run


def onnxruntime_engine(file: Path, threads: int) -> Engine:
    """ONNX Runtime's own kernels for the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda tiles: np.asarray(session.run(["score"], {CALIBRATION_INPUT: tiles})[0])


def openvino_engine(file: Path, threads: int, precision: str) -> Engine:
    """OpenVINO, told to compute in ``precision``: f32 or bf16."""
    import openvino

    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": precision}
    model = openvino.Core().compile_model(str(file), "CPU", settings)
    return lambda tiles: np.array(model(tiles)["score"])


def quantised(file: Path, tiles: np.ndarray) -> Path:
    """The network in int8, each convolution's and product's ranges taken from ``tiles``."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static, shape_inference

    class Tiles(CalibrationDataReader):
        def __init__(self) -> None:
            self.left: Iterator[Any] = ({CALIBRATION_INPUT: tile[None]} for tile in tiles)

        def get_next(self) -> Any:
            return next(self.left, None)

    inferred, out = file.with_name("inferred.onnx"), file.with_name("int8.onnx")
    shape_inference.quant_pre_process(file, inferred, skip_symbolic_shape=True)
    quantize_static(
        inferred, out, Tiles(), quant_format=QuantFormat.QDQ, per_channel=True, op_types_to_quantize=["Conv", "MatMul", "Gemm"]
    )
    return out


def main(
    paths: Annotated[list[Path], typer.Argument(help="Series of real MR.")],
    threads: Annotated[int, typer.Option(help="Threads of each engine.")] = torch.get_num_threads(),
) -> None:
    """Measure every engine that is installed, and print the table."""
    torch.set_num_threads(threads)
    loaded = load_model()
    size = loaded.config.tile_size
    tiles = real_tiles(paths, size, size // loaded.network.global_branch.grid)
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "network.onnx"
        onnx_file.write(loaded, weights_file(loaded.identity.name), file)
        makers: dict[str, Callable[[], Engine]] = {
            "torch, float32": lambda: torch_engine(loaded, torch.float32),
            "torch, bfloat16": lambda: torch_engine(loaded, torch.bfloat16),
            "ONNX Runtime, float32": lambda: onnxruntime_engine(file, threads),
            "ONNX Runtime, int8": lambda: onnxruntime_engine(quantised(file, tiles[::2]), threads),
        }
        if shutil.which("g++"):
            makers["torch.compile, float32"] = lambda: torch_engine(loaded, torch.float32, compiled=True)
        if importlib.util.find_spec("openvino"):
            for precision in ("f32", "bf16"):
                makers[f"OpenVINO, {precision}"] = lambda chosen=precision: openvino_engine(file, threads, chosen)
            makers["OpenVINO, int8"] = lambda: openvino_engine(file.with_name("int8.onnx"), threads, "f32")
        engines, prepared, scores = {}, {}, {}
        for name, make in makers.items():
            began = time.perf_counter()
            engines[name] = make()
            engines[name](tiles[:BATCH])
            prepared[name] = time.perf_counter() - began
            judged = tiles[1::2]
            scores[name] = 100 * np.concatenate([engines[name](judged[i : i + BATCH]) for i in range(0, len(judged), BATCH)])
        best = dict.fromkeys(engines, float("inf"))
        for _ in range(REPEATS):
            for name, engine in engines.items():
                began = time.perf_counter()
                engine(tiles[:BATCH])
                best[name] = min(best[name], time.perf_counter() - began)
    print(f"{len(tiles)} tiles of {size} x {size}, batches of {BATCH}, {threads} threads, torch {torch.__version__}\n")
    print("| engine | prepared in | tiles/s | x torch, float32 | points off, mean | at most |\n|---|---:|---:|---:|---:|---:|")
    for name, seconds in best.items():
        off = np.abs(scores[name] - scores["torch, float32"])
        speed = BATCH / seconds
        ratio = best["torch, float32"] / seconds
        print(f"| {name} | {prepared[name]:.1f} s | {speed:.1f} | {ratio:.2f} | {off.mean():.3f} | {off.max():.3f} |")
    for name, there in (("torch.compile", shutil.which("g++")), ("OpenVINO", importlib.util.find_spec("openvino"))):
        if not there:
            print(f"\n{name}: not measured, {'no C++ compiler' if name == 'torch.compile' else 'not installed'}")


if __name__ == "__main__":
    typer.run(main)
