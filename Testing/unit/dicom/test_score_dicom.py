"""``miqanet score --dicom``: the objects as files, for those without a listener."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pydicom
import pytest
from dicom_maker import slices
from PIL import Image

import cli_stand_ins
from miqanet_core.cli import backend

pytest.importorskip("highdicom")


@pytest.fixture
def miqanet(monkeypatch, capfd, tmp_path):
    """The command with the real reader; a slice's score is a twentieth of its highest pixel."""

    class Scorer(cli_stand_ins.StandInScorer):
        def score(self, series, progress=None):
            return super().score(replace(series, voxels=series.voxels / 20), progress)

    monkeypatch.setattr(backend, "make_scorer", Scorer)
    monkeypatch.chdir(tmp_path)

    return partial(cli_stand_ins.run, capfd)


def test_objects_of_a_flagged_series_are_written_and_never_scored_again(miqanet, tmp_path):
    slices(tmp_path / "study", [0, 3, 6])
    status, out, error = miqanet("score", "study", "--dicom", "written", "--out", "results")
    assert (status, out) == (0, "")
    names = sorted(path.name for path in (tmp_path / "written").iterdir())
    assert names == ["t2.flag.dcm", "t2.montage.dcm", "t2.report.dcm"]
    assert "wrote written/t2.report.dcm" in error and (tmp_path / "results" / "t2.json").exists()
    report = pydicom.dcmread(tmp_path / "written" / "t2.report.dcm")
    assert report.PatientName == "Doe^Jo" and report.StudyInstanceUID == "1.2.3"
    status, _, error = miqanet("score", "written", "--dicom", "again")
    assert status == 0 and "MIQA itself wrote this" in error and not (tmp_path / "again").exists()


def test_what_is_not_dicom_gets_no_dicom_result_and_is_told(miqanet, tmp_path):
    Image.new("L", (32, 32), 90).save(tmp_path / "knee.png")
    status, _, error = miqanet("score", "knee.png", "--dicom", "written")
    assert status == 0 and "no DICOM result" in error and "is not DICOM" in error
    assert not (tmp_path / "written").exists()


def test_the_missing_extra_is_named(miqanet, tmp_path, monkeypatch):
    monkeypatch.setattr("miqanet_core.cli.outputs.find_spec", lambda name: None)
    slices(tmp_path / "study", [0])
    status, _, error = miqanet("score", "study", "--dicom", "written")
    assert status == 2 and "pip install 'miqanet_core[listener]'" in error
