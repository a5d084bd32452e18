"""The benchmark's guard, table and figure, on made-up summaries."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from speed import markdown  # noqa: E402
from speed_figure import draw  # noqa: E402
from speed_guard import REFERENCE, compare, table  # noqa: E402

SCORED = {"seconds": 6.0, "slices_per_s": 26.0, "tiles_per_s": 26.0, "threads": 2, "start_up_s": 4.0, "peak_mib": 900.0}
SUMMARY = {
    "machine": {"cores": 2},
    "model": "default",
    "slices": 160,
    "cold start": {"help_s": 0.2, "scorer_s": 4.0, "torch_s": 1.0},
    "command": {"seconds": 12.0, "first_s": 5.0, "peak_mib": 1000.0},
    "reading": {"series_s": 0.5, "pydicom_s": 0.4},
    "scoring": {"cpu fp32": SCORED, "cuda fp32": {"not measured": "no CUDA device"}},
    "network": {"MANIQA of pyiqa / a tile of ours": "not installed"},
    "training": {
        "simulation, a process": {"samples_per_s": 42.0},
        "bf16-mixed": {"samples_per_s": 14.0, "waiting": 0.02, "first_s": 3.0},
    },
    "growth": {
        "slices": [{**SCORED, "slices": n} for n in (20, 40)],
        "matrix": [{**SCORED, "side": n} for n in (128, 256)],
        "batch": [{**SCORED, "batch": n} for n in (1, 8)],
        "series": [{"series": n, "seconds": 1.0 * n, "peak_mib": 900.0} for n in (100, 1000)],
    },
    "ratios": {"a": 2.0, "b": 1.0},
}


@pytest.mark.parametrize(
    ("now", "fallen"),
    [
        ({"a": 2.0, "b": 1.0}, []),
        ({"a": 1.61, "b": 9.0}, []),  # within 20 %, and faster is never wrong
        ({"a": 1.59, "b": 1.0}, ["a"]),
        ({"a": 2.0}, ["b"]),  # what is no longer measured is no longer guarded
        ({"a": 0.1, "b": 0.1, "c": 3.0}, ["a", "b"]),
    ],
)
def test_a_ratio_that_fell_by_more_than_the_tolerance_is_told(now: dict[str, float], fallen: list[str]) -> None:
    rows = compare({"a": 2.0, "b": 1.0}, now, 0.2)
    assert [row.name for row in rows if row.fell] == fallen
    assert table(rows).count("FELL") == len(fallen)
    assert ("| c | - | 3.000 | new |" in table(rows)) == ("c" in now)


def test_the_command_compares_a_summary_with_the_kept_ratios_and_fails_when_one_fell(tmp_path: Path) -> None:
    kept = json.loads(REFERENCE.read_text(encoding="utf-8"))
    assert kept
    assert all(value > 0 for value in kept.values())
    name = next(iter(kept))
    for worse, status in ((1.0, 0), (0.5, 1)):
        ratios = {**kept, name: kept[name] * worse}
        (tmp_path / "speed.json").write_text(json.dumps({**SUMMARY, "ratios": ratios}), encoding="utf-8")
        command = [sys.executable, str(BENCHMARKS / "speed.py"), "--summary", str(tmp_path / "speed.json"), "--compare"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        assert ("FELL" in done.stdout) == bool(status)


def test_the_table_tells_what_was_measured_and_what_was_not() -> None:
    text = markdown(SUMMARY)
    assert "| 160 DICOM files of 256 x 256 to JSON, start-up included | 12.0 s |" in text
    assert "| cpu fp32 | 26.0 | 13.0 | 26.0 | 4.0 s | 900 MiB |" in text
    assert "| cuda fp32 | no CUDA device |" in text
    assert "| MANIQA of pyiqa / a tile of ours | not installed |" in text
    assert "| simulation, a process | 42.0 | | |" in text
    assert "| bf16-mixed | 14.0 | 2 % | 3.0 s |" in text


def test_the_figure_has_a_panel_for_each_setting(tmp_path: Path) -> None:
    draw(SUMMARY["growth"], tmp_path / "growth.svg")
    drawn = (tmp_path / "growth.svg").read_text(encoding="utf-8")
    assert drawn.count('id="axes_') == 8  # speed and memory of four settings
