"""Speed and memory of scoring on this machine: ``python Testing/benchmarks/speed.py --out speed/``.

Writes ``speed.json``, ``speed.md`` and ``growth.svg``: cold start, from DICOM files to JSON, first result, tiles a second and a
core, reading, peak memory, samples a second in training; how they grow with slices, matrix, batch and number of series; and
*ratios* within this run, which another machine can be held against: ``--compare`` exits with 1 when one has fallen below the
kept ones by more than the tolerance. Each setting runs in a process of its own. Images are textured ellipses, scored under the
header of a real MR file.

About a quarter of an hour on two idle cores; ``--quick`` a third of it, with less to plot.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from speed_commands import dicom_series, in_own_process, run_miqanet, small_series
from speed_figure import draw
from speed_guard import REFERENCE, TOLERANCE, compare, table

DEVICES = (("cpu", "fp32"), ("cpu", "bf16"), ("cuda", "fp32"), ("cuda", "bf16"))


def main(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the results go.")] = Path("speed"),
    model: Annotated[str, typer.Option(help="A model's name or a weights file.")] = "default",
    quick: Annotated[bool, typer.Option("--quick", help="Fewer and smaller settings.")] = False,
    compare_with: Annotated[bool, typer.Option("--compare", help="Fail when a ratio fell below the kept ones.")] = False,
    tolerance: Annotated[float, typer.Option(help="By what part a ratio may fall.")] = TOLERANCE,
    keep: Annotated[bool, typer.Option("--keep", help="Make this run's ratios the kept ones.")] = False,
    given: Annotated[
        Path | None, typer.Option("--summary", metavar="F.json", help="Do not measure: take this speed.json.")
    ] = None,
) -> None:
    """Measure, write the results, and compare their ratios with the kept ones."""
    if given is None:
        out.mkdir(parents=True, exist_ok=True)
        summary = measure(model, quick)
        (out / "speed.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        (out / "speed.md").write_text(markdown(summary), encoding="utf-8")
        draw(summary["growth"], out / "growth.svg")
        print(markdown(summary))
    else:
        summary = json.loads(given.read_text(encoding="utf-8"))
    if keep:
        REFERENCE.write_text(json.dumps(summary["ratios"], indent=2) + "\n", encoding="utf-8")
    if compare_with:
        rows = compare(json.loads(REFERENCE.read_text(encoding="utf-8")), summary["ratios"], tolerance)
        print(table(rows))
        if any(row.fell for row in rows):
            raise typer.Exit(1)


def measure(model: str, quick: bool) -> dict[str, Any]:
    """Everything, each setting in a process of its own."""
    slices, few, many = (40, 10, 100) if quick else (160, 100, 1000)
    sides, lengths = ((128, 256, 512), (10, 20, 40)) if quick else ((128, 256, 320, 384, 512), (20, 40, 80, 160, 320))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one, archive = dicom_series(folder / "one", slices), folder / "archive"
        cold = {**in_own_process("imports"), "help_s": min(run_miqanet("--help")["seconds"] for _ in range(3))}
        command = run_miqanet("score", one, "--model", model, "--json", folder / "q.json", "--progress", "jsonl")
        reading = in_own_process("reading", folder=str(one))
        scoring = {f"{device} {precision}": _score(device, precision, model, slices) for device, precision in DEVICES}
        batches = [in_own_process("scoring", model=model, slices=16, batch=batch) for batch in (1, 2, 4, 8, 16)]
        growth = {
            "slices": [in_own_process("scoring", model=model, slices=count) for count in lengths],
            "matrix": [in_own_process("scoring", model=model, slices=8, side=side) for side in sides],
            "batch": batches,
            "series": [],
        }
        for count in (few, 3 * few, many):
            small_series(archive, count)
            done = run_miqanet("score", archive, "--model", model, "--csv", folder / "q.csv", "--progress", "none")
            growth["series"].append({"series": count, **done})
        network = _network()
        training = _training()
    ratios = {
        "import torch / import scorer": cold["torch_s"] / cold["scorer_s"],
        "pydicom alone / reading": reading["pydicom_s"] / reading["series_s"],
        "scoring / whole command": scoring["cpu fp32"]["seconds"] / command["seconds"],
        "tiles a second, batch 8 / batch 1": batches[3]["tiles_per_s"] / batches[0]["tiles_per_s"],
        f"peak memory, {few} / {many} series": growth["series"][0]["peak_mib"] / growth["series"][-1]["peak_mib"],
        **{name: value for name, value in network.items() if isinstance(value, float)},
        "training, bf16 / fp32": training["bf16-mixed"]["samples_per_s"] / training["32-true"]["samples_per_s"],
    }
    return {
        "machine": _machine(),
        "model": model,
        "slices": slices,
        "cold start": cold,
        "command": command,
        "reading": reading,
        "scoring": scoring,
        "network": network,
        "training": training,
        "growth": growth,
        "ratios": {name: round(value, 3) for name, value in ratios.items()},
    }


def _score(device: str, precision: str, model: str, slices: int) -> dict[str, Any]:
    if device == "cuda" and not _cuda():
        return {"not measured": "no CUDA device"}
    return in_own_process("scoring", device=device, precision=precision, model=model, slices=slices)


def _network() -> dict[str, Any]:
    """The network against a plain float32 forward of the released layout, and MANIQA of pyiqa, where they can be measured."""
    found: dict[str, Any] = {}
    for part in ("network", "maniqa"):
        found.update(in_own_process(part))
    return found


def _training() -> dict[str, Any]:
    """What a process simulates, what the network learns from tiles that are ready, and whole runs, which do both."""
    found = {"simulation, a process": in_own_process("simulation")}
    for precision in ("32-true", "bf16-mixed"):
        found[precision] = in_own_process("training", precision=precision)
    if _cuda():  # on two CPU cores it took 150 s to compile, and then was 13 % slower
        found["bf16-mixed, compiled"] = in_own_process("training", precision="bf16-mixed", compiled=True)
    cores = os.cpu_count() or 1
    for workers in sorted({1, max(1, cores - 1)}):
        found[f"run, {workers} simulating"] = in_own_process("training", precision="bf16-mixed", workers=workers)
    return found


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def _machine() -> dict[str, Any]:
    import torch

    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load at the end": round(os.getloadavg()[0], 1),
        "torch": torch.__version__,
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
    }


def markdown(summary: dict[str, Any]) -> str:
    """The summary as tables for people."""
    cold, command, reading, slices = summary["cold start"], summary["command"], summary["reading"], summary["slices"]
    lines = [
        f"Model {summary['model']}; {', '.join(f'{key} {value}' for key, value in summary['machine'].items())}",
        "",
        "| what | |",
        "| --- | ---: |",
        f"| `miqanet --help` | {cold['help_s']:.2f} s |",
        f"| import of the scorer, of which torch | {cold['scorer_s']:.2f} s, {cold['torch_s']:.2f} s |",
        f"| {slices} DICOM files of 256 x 256 to JSON, start-up included | {command['seconds']:.1f} s |",
        f"| first slice's score after | {command['first_s']:.1f} s |",
        f"| peak memory of that | {command['peak_mib']:.0f} MiB |",
        f"| reading a DICOM file, by pydicom alone | {1000 * reading['series_s'] / slices:.2f} ms, "
        f"{1000 * reading['pydicom_s'] / slices:.2f} ms |",
        "",
        "| device | tiles/s | tiles/s and core | slices/s | start-up | peak memory |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, r in summary["scoring"].items():
        lines.append(
            f"| {name} | {r['not measured']} |||||"
            if "not measured" in r
            else f"| {name} | {r['tiles_per_s']:.1f} | {r['tiles_per_s'] / r['threads']:.1f} | {r['slices_per_s']:.1f} "
            f"| {r['start_up_s']:.1f} s | {r['peak_mib']:.0f} MiB |"
        )
    lines += ["", "| small series in one command | seconds | peak memory |", "| ---: | ---: | ---: |"]
    lines += [f"| {r['series']} | {r['seconds']:.1f} | {r['peak_mib']:.0f} MiB |" for r in summary["growth"]["series"]]
    lines += ["", "| training | samples/s | waiting for tiles | first step |", "| --- | ---: | ---: | ---: |"]
    for name, r in summary["training"].items():
        rest = f"{100 * r['waiting']:.0f} % | {r['first_s']:.1f} s" if "waiting" in r else "|"
        lines.append(f"| {name} | {r['samples_per_s']:.1f} | {rest} |")
    lines += ["", "| ratio | |", "| --- | ---: |"]
    lines += [f"| {name} | {value:.3f} |" for name, value in summary["ratios"].items()]
    lines += [f"| {name} | {value} |" for name, value in summary["network"].items() if isinstance(value, str)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if shutil.which("miqanet") is None and not (Path(sys.executable).parent / "miqanet").is_file():
        raise SystemExit("miqanet is not installed: pip install .")
    typer.run(main)
