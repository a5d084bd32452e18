"""What is written of real MR, before the judges of the field: dciodvfy, dsrdump and highdicom."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from judged import judged
from miqanet_core import Scorer, read_series
from miqanet_core.artifacts import simulate
from miqanet_core.quality import Verdict
from miqanet_core.readers import read_all_series
from miqanet_core.series import MRSeries

hd = pytest.importorskip("highdicom")
from miqanet_core.dicom import Kind, headers_of, rejection_of, results_of  # noqa: E402

REAL = (
    "brain_T1_studyforrest",
    "pelvis_prostate_PX0000_T2sag",
    "thigh_T1_STS001",
    "dicom_GE_fMRI_nih",
    "dicom_Siemens_mosaic/jp2k1.dcm",
    "dicom_headers_only/philips_enhanced_IM-0001-0170-0001.dcm",
    "dicom_headers_only/siemens_multiframe_IM-0001-0001-0001.dcm",
    "dicom_headers_only/hyperfine_001.dcm",
    "dicom_headers_only/ge_classic_IM-0001-0112-0001.dcm",
    "dicom_headers_only/rle_IM-0001-0001-0001.dcm",
)
NAMED = {"motion": 0.6, "noise": 0.3, "ghosting": 0.4, "blur": 0.2, "shading": 0.5, "wrap_around": 0.1, "spike": 0.1}


def errors_of(verifier: str, file: Path) -> list[str]:
    """What dciodvfy holds to be wrong; its warnings are about the source's own patient name and the like."""
    done = subprocess.run([verifier, str(file)], capture_output=True, text=True, timeout=120, check=False)
    said = (done.stdout + done.stderr).splitlines()
    assert any(line in ("ComprehensiveSR", "KeyObjectSelectionDocument", "SCImage") for line in said), said
    return [line for line in said if line.startswith("Error")]


def first_stack(path: Path) -> MRSeries:
    """A folder's first series, at most four slices of it."""
    series = read_all_series(path)[0]
    return replace(series, voxels=series.voxels[:4], slice_sources=series.slice_sources[:4])


@pytest.mark.parametrize("name", REAL)
def test_every_object_of_real_headers_is_free_of_errors(shared, program, tmp_path, name):
    verifier, dump = program("dciodvfy"), program("dsrdump")
    series = first_stack(shared / "data" / "mri" / name)
    headers = headers_of(series)
    scores = [20.0 + 5 * index for index in range(len(series.voxels))]
    poor = judged(series, scores, {0: NAMED})
    objects = {kind.value: dataset for kind, dataset in results_of(poor, series, headers, kinds=set(Kind)).items()}
    objects["rejection"] = rejection_of(poor, headers, "Curie^Marie", "moved throughout")
    refused = judged(series, scores, refusal="This is unlike the MR that the model knows.")
    objects["not assessed"] = results_of(refused, series, headers)[Kind.REPORT]
    assert set(objects) == {"report", "flag", "montage", "rejection", "not assessed"}
    for what, dataset in objects.items():
        file = tmp_path / f"{what}.dcm"
        dataset.save_as(file, enforce_file_format=True)
        assert errors_of(verifier, file) == [], what
        if what != "montage":
            done = subprocess.run([dump, str(file)], capture_output=True, text=True, timeout=120, check=False)
            assert done.returncode == 0 and "E: " not in done.stderr, done.stderr
            assert headers[0].StudyInstanceUID == dataset.StudyInstanceUID


def test_real_motion_is_scored_flagged_and_told(shared, program, tmp_path):
    clean = read_series(shared / "data" / "mri" / "pelvis_hip_PX0000_T2cor")
    spoiled = replace(clean, voxels=clean.voxels.copy())
    for index, image in enumerate(spoiled.voxels):
        spoiled.voxels[index] = simulate(image, "motion", 0.9, seed=3)
    quality = Scorer(device="cpu").score(spoiled)
    assert quality.verdict is Verdict.NON_DIAGNOSTIC
    objects = results_of(quality, spoiled, headers_of(spoiled), kinds=set(Kind))
    assert set(objects) == set(Kind)
    for kind, dataset in objects.items():
        dataset.save_as(tmp_path / kind.value, enforce_file_format=True)
        assert errors_of(program("dciodvfy"), tmp_path / kind.value) == []
    text = subprocess.run(
        [program("dsrdump"), "+Pl", str(tmp_path / "report")], capture_output=True, text=True, check=True
    ).stdout
    assert '"Imaging Series Quality")=(RID14,RADLEX,"Non-diagnostic quality")' in text
    assert quality.model.weights_sha256 in text and "research tool, not a medical device" in text
    named = {name for one in quality.slices for name in one.artifacts}
    assert ("Quality Finding" in text) == bool(named)
    report = hd.sr.ComprehensiveSR.from_dataset(pydicom.dcmread(tmp_path / "report"))
    whole, *slices = report.content.get_image_measurement_groups()
    assert whole.get_measurements()[0].value == pytest.approx(quality.score, abs=0.1)
    assert [group.get_measurements()[0].value for group in slices] == pytest.approx([s.score for s in quality.slices], abs=0.1)
