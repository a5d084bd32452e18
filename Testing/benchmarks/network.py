"""What the network costs on this CPU, and what was cut: ``python Testing/benchmarks/network.py [--json F]``.

Counts operations and bytes of each part, measures the machine's matrix rate, and runs the released layout and ours with the
same weights (drawn with a seed: none of the released ones are to be had), interleaved, the best of several runs each. Prints
Markdown. No GPU is measured: what runs there is for a machine that has one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from miqanet_core.model import MIQANet, create_model, fold_for_scoring, load_model, unfuse_attention
from miqanet_core.transforms import TileGrid
from network_counts import count, matrix_rate
from released_layout import five_crops, released_layout

MATRICES = (192, 256, 288, 320, 384, 448, 512)
BATCHES = (1, 2, 4, 8, 16)


def _tiles(network: MIQANet, number: int) -> Tensor:
    """Smooth structure with a little noise, (number, 3, T, T) in -1..1."""
    size, draw = network.config.tile_size, torch.Generator().manual_seed(0)
    coarse = torch.nn.functional.interpolate(torch.randn(number, 1, 16, 16, generator=draw), size=size, mode="bicubic")
    noisy = coarse.tanh() + 0.05 * torch.randn(number, 1, size, size, generator=draw)
    return noisy.clamp(-1, 1).expand(-1, 3, -1, -1).contiguous()


def _ours(network: MIQANet, precision: torch.dtype) -> Callable[[Tensor], Tensor]:
    """The forward of the scorer on a CPU."""
    prepared = fold_for_scoring(network).to(memory_format=torch.channels_last)
    if precision == torch.bfloat16:
        unfuse_attention(prepared)

    def forward(tiles: Tensor) -> Tensor:
        with torch.autocast("cpu", precision, enabled=precision != torch.float32):
            score: Tensor = prepared(tiles.contiguous(memory_format=torch.channels_last)).score
            return score

    return forward


def interleaved(variants: dict[str, Callable[[], Tensor]], repeats: int) -> dict[str, tuple[float, Tensor]]:
    """Least seconds and result of each, run in turns, so that a machine's moods meet all of them alike."""
    best: dict[str, tuple[float, Tensor]] = {}
    with torch.inference_mode():
        for _ in range(repeats):
            for name, run in variants.items():
                began = time.perf_counter()
                result = run()
                seconds = time.perf_counter() - began
                best[name] = (min(seconds, best[name][0]) if name in best else seconds, result)
    return best


def _b8() -> MIQANet:
    torch.manual_seed(20)
    network = create_model("miqanet_b8").eval()
    # Fresh weights score near 0, where the head's ReLU may hide any difference: about 50 instead.
    torch.nn.init.constant_(network.head.score[3].bias, 0.5)  # type: ignore[arg-type]
    return network


def _b8_speed(network: MIQANet, repeats: int) -> dict[str, float]:
    plain, fp32, bf16 = released_layout(network), _ours(network, torch.float32), _ours(network, torch.bfloat16)
    tile = _tiles(network, 1)
    runs = interleaved({"plain": lambda: plain(tile).score, "fp32": lambda: fp32(tile), "bf16": lambda: bf16(tile)}, repeats)
    seconds = {f"{name}_s": took for name, (took, _) in runs.items()}
    points = {f"{name}_points": 100 * float((runs[name][1] - runs["plain"][1]).abs().max()) for name in ("fp32", "bf16")}
    return seconds | points


def _tiny_speed(network: MIQANet, repeats: int) -> dict[str, dict[str, float]]:
    fp32, bf16 = _ours(network, torch.float32), _ours(network, torch.bfloat16)
    speed: dict[str, dict[str, float]] = {"fp32": {}, "bf16": {}}
    for batch in BATCHES:
        tiles = _tiles(network, batch)
        runs = interleaved({"fp32": lambda x=tiles: fp32(x), "bf16": lambda x=tiles: bf16(x)}, repeats)  # type: ignore[misc]
        for name, (took, _) in runs.items():
            speed[name][str(batch)] = batch / took
    return speed


def measure(repeats: int = 5) -> dict[str, Any]:
    """Everything: matrix rates (GFLOP/s), counts, seconds a tile of b8 in each form, tiles a second of the shipped network."""
    b8, tiny = _b8(), load_model().network
    # Fresh batch norm has little to fold; the counts are those of the folded network all the same.
    counts = {
        "miqanet_b8 as released": count(released_layout(b8), _tiles(b8, 1)),
        "miqanet_b8": count(fold_for_scoring(b8), _tiles(b8, 1)),
        "miqanet_tiny": count(fold_for_scoring(tiny), _tiles(tiny, 1)),
    }
    rates = {"fp32": matrix_rate(torch.float32), "bf16": matrix_rate(torch.bfloat16)}
    patch = tiny.config.tile_size // tiny.global_branch.grid
    return {
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "matrix_gflop_per_s": rates,
        "counts": counts,
        "b8": _b8_speed(b8, repeats),
        "tiny_tiles_per_s": _tiny_speed(tiny, repeats),
        "tiles_of_a_matrix": {str(side): len(TileGrid(side, side, tiny.config.tile_size, patch).starts) for side in MATRICES},
    }


def ratios_of(found: dict[str, Any]) -> dict[str, float]:
    """Named ratios of a :func:`measure`, all of this run; higher is better."""
    b8, rates, tiny = found["b8"], found["matrix_gflop_per_s"], found["tiny_tiles_per_s"]
    best = {name: max(speeds.values()) for name, speeds in tiny.items()}
    work = found["counts"]["miqanet_tiny"]["all"]["gflop"]
    return {
        "b8_fp32_over_plain": b8["plain_s"] / b8["fp32_s"],
        "b8_bf16_over_plain": b8["plain_s"] / b8["bf16_s"],
        "tiny_bf16_over_fp32": best["bf16"] / best["fp32"],
        "tiny_fp32_of_matrix_rate": best["fp32"] * work / rates["fp32"],
    }


def ratios() -> dict[str, float]:
    """:func:`ratios_of` a new measurement."""
    return ratios_of(measure())


def markdown(found: dict[str, Any]) -> str:
    """The results as tables."""
    rates, b8, counts = found["matrix_gflop_per_s"], found["b8"], found["counts"]
    released, ours = (counts[name]["all"]["gflop"] for name in ("miqanet_b8 as released", "miqanet_b8"))
    lines = [
        f"torch {found['torch']}, {found['threads']} threads. Matrix products: float32 {rates['fp32']:.0f} GFLOP/s, bfloat16 "
        f"{rates['bf16']:.0f} GFLOP/s, {rates['bf16'] / rates['fp32']:.2f} x. The most that bfloat16 and dropped work can give "
        f"miqanet_b8 here: {released / ours * rates['bf16'] / rates['fp32']:.2f} x. GPU: not measured.",
        "",
        "| network | part | GFLOP a tile | MB read and written | least ms at the float32 matrix rate |",
        "|---|---|---:|---:|---:|",
    ]
    for name, parts in counts.items():
        for part, cost in parts.items():
            least = 1e3 * cost["gflop"] / rates["fp32"]
            lines.append(f"| {name} | {part} | {cost['gflop']:.2f} | {cost['mbyte']:.0f} | {least:.1f} |")
    lines += ["", "| miqanet_b8, one tile | ms | x plain | points off |", "|---|---:|---:|---:|"]
    for name in ("plain", "fp32", "bf16"):
        off = b8.get(f"{name}_points", 0.0)
        lines.append(f"| {name} | {1e3 * b8[f'{name}_s']:.0f} | {b8['plain_s'] / b8[f'{name}_s']:.2f} | {off:.2g} |")
    lines += ["", f"| miqanet_tiny, tiles/s, batch | {' | '.join(map(str, BATCHES))} |", "|---|" + "---:|" * len(BATCHES)]
    lines += [
        f"| {name} | {' | '.join(f'{value:.1f}' for value in speeds.values())} |"
        for name, speeds in found["tiny_tiles_per_s"].items()
    ]
    matrices = found["tiles_of_a_matrix"]
    lines += ["", f"| matrix | {' | '.join(matrices)} |", "|---|" + "---:|" * len(matrices)]
    lines += [f"| tiles of miqanet_tiny | {' | '.join(map(str, matrices.values()))} |"]
    lines += ["", "| ratio | |", "|---|---:|"]
    lines += [f"| {name} | {value:.3f} |" for name, value in ratios_of(found).items()]
    return "\n".join(lines)


def evaluation() -> dict[str, float]:
    """Seconds for one image of 256 x 256: the released evaluation, five crops one by one, against our tiles; miqanet_b8."""
    network = _b8()
    plain, ours = released_layout(network), _ours(network, torch.float32)
    image = torch.nn.functional.interpolate(_tiles(network, 1), size=256, mode="bicubic").clamp(-1, 1)
    size = network.config.tile_size
    starts = TileGrid(256, 256, size, size // network.global_branch.grid).starts
    tiles = torch.cat([image[:, :, row : row + size, column : column + size] for row, column in starts])
    runs = interleaved({"five crops": lambda: five_crops(plain, image), "our tiles": lambda: ours(tiles)}, 1)
    return {name: took for name, (took, _) in runs.items()}


def main(
    json_file: Annotated[Path | None, typer.Option("--json", metavar="F", help="Write everything that was measured.")] = None,
    threads: Annotated[int, typer.Option(help="Threads; 0 for torch's own choice.")] = 0,
    repeats: Annotated[int, typer.Option(help="Runs of each form; the best counts.")] = 5,
) -> None:
    """Count, measure, print Markdown."""
    if threads:
        torch.set_num_threads(threads)
    found = measure(repeats) | {"b8_image_of_256_s": evaluation()}
    if json_file is not None:
        json_file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(markdown(found))
    took = found["b8_image_of_256_s"]
    print(f"\nmiqanet_b8, an image of 256 x 256: {', '.join(f'{name} {seconds:.1f} s' for name, seconds in took.items())}")


if __name__ == "__main__":
    typer.run(main)
