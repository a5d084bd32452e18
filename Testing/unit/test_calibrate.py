"""``miqanet calibrate`` and ``miqanet score --baseline``: with the stand-ins, then with real files, scorer and weights."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

import cli_stand_ins
from miqanet_core.artifacts import simulate
from miqanet_core.baseline import Baseline
from miqanet_core.cli.demo import demo_series
from miqanet_core.quality import SeriesQuality
from readers.dicom_maker import mr_image, save

KEY = "body part not given; ACME One; SE; TE 53 to 150 ms; no agent; image type not given; matrix 16"
SECRETS = ("Curie", "Marie", "PID-7734", "19670704", "Warsaw", "1.2.826.0.1.")


@pytest.fixture
def miqanet(monkeypatch, capfd, tmp_path):
    """Run the command in an empty folder; gives its exit status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        status, out, error = cli_stand_ins.run(capfd, *arguments)
        assert "Traceback" not in error
        return status, out, error

    return run


@pytest.fixture
def stand_in(miqanet, monkeypatch):
    cli_stand_ins.install(monkeypatch.setattr)
    return miqanet


def table(out: str) -> list[dict[str, str]]:
    return list(csv.DictReader(out.splitlines(), delimiter="\t"))


# With stand-ins


def test_calibrate_prints_a_table_and_writes_the_baseline(stand_in):
    status, out, err = stand_in("calibrate", "site 24", "--out", "new folder/b.json")
    assert status == 0
    assert table(out) == [
        {"series": "24", "median": "83.7", "range": "78.0 to 89.5", "limit": "78.0", "status": "ok", "protocol": KEY}
    ]
    assert err == f"wrote {Path('new folder/b.json')}\n"
    normal = Baseline.load("new folder/b.json").protocols[KEY]
    assert (normal.series, normal.low, normal.median, normal.high, normal.limit, normal.share) == (24, 78, 83.7, 89.5, 78, 0.04)


def test_too_few_series_are_counted_and_have_no_limit(stand_in):
    status, out, _ = stand_in("calibrate", "site 12", "--out", "b.json")
    assert status == 0
    assert [(row["limit"], row["status"]) for row in table(out)] == [("-", "too few (12 of 20)")]
    result = json.loads(stand_in("score", "site low", "--baseline", "b.json", "--json", "-")[1])
    assert result["verdict"] == "diagnostic"
    assert "Too few (12 of 20) series of this protocol to know what is normal here." in result["reasons"]


def test_a_bad_series_that_slipped_in_is_named_and_not_used(stand_in):
    status, out, err = stand_in("calibrate", "site with outlier", "--out", "b.json")
    assert status == 0
    assert table(out)[0]["status"] == "ok; 1 outlier left out"
    assert table(out)[0]["limit"] == "78.0"
    assert err.splitlines()[0] == (
        "miqanet: t2 of Curie, 24: scores 21.0 where the others of its protocol score 78.0 to 89.5; "
        "left out as an outlier: look at it"
    )


def test_time_points_of_one_series_are_no_twenty_four_series(stand_in):
    _, out, err = stand_in("calibrate", "time points", "site 24", "--out", "b.json")
    assert table(out)[0]["series"] == "24"
    assert "left out: 24 x another time point or copy of a series" in err


def test_what_is_left_out_is_counted_and_what_cannot_be_read_is_named(stand_in):
    status, out, err = stand_in("calibrate", "ct", "nifti", "one bad", "empty", "absent", "site 24", "--out", "b.json")
    assert status == 1
    assert table(out)[0]["series"] == "24"
    assert err.splitlines() == [
        f"miqanet: {Path('one bad/x.dcm')}: is cut short; fetch it again",
        "miqanet: empty: holds no image (left out: 2 x PDF); give DICOM, NIfTI (.nii, .nii.gz), NRRD, MetaImage (.mha, .mhd), "
        "PNG or JPEG",
        "miqanet: absent: does not exist; check the path",
        "left out: 2 x does not say how it was acquired",
        "left out: 1 x modality CT",
        "wrote b.json",
    ]


def test_nothing_to_learn_from_writes_nothing(stand_in, tmp_path):
    status, out, err = stand_in("calibrate", "ct", "--out", "b.json")
    assert (status, out) == (1, "")
    assert err.splitlines()[-1] == "miqanet: ct: holds no series to learn from; name folders of good MR series in DICOM"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["site 24"],
        ["--out", "b.json"],
        ["site 24", "--out", "."],
        ["site 24", "--out", "b.json", "--model", "absent"],
    ],
)
def test_wrong_usage_is_status_2_before_any_scoring(stand_in, tmp_path, arguments):
    status, out, _ = stand_in("calibrate", *arguments)
    assert (status, out) == (2, "")
    assert list(tmp_path.iterdir()) == []


def test_a_baseline_is_replaced_whole(stand_in, tmp_path):
    (tmp_path / "b.json").write_text("old")
    assert stand_in("calibrate", "site 24", "--out", "b.json")[0] == 0
    assert Baseline.load(tmp_path / "b.json").protocols
    assert [path.name for path in tmp_path.iterdir()] == ["b.json"]


def test_score_says_what_is_normal_in_every_result(stand_in, tmp_path):
    stand_in("calibrate", "site 24", "--out", "b.json")
    files = {"--json": "q.json", "--csv": "q.csv", "--html": "q.html"}
    status, _, _ = stand_in("score", "site low", "--baseline", "b.json", *(x for pair in files.items() for x in pair),
                            "--fail-on-flag")  # fmt: skip
    assert status == 3
    quality = SeriesQuality.from_json((tmp_path / "q.json").read_text())
    assert quality.verdict.value == "limited"
    assert quality.normal is not None
    sentence = (
        "Normal here: 24 good series of this protocol score 78.0 to 89.5 (median 83.7); the limit is 78.0, and about 1 in 25 "
        "good ones scores below it."
    )
    assert quality.reasons[:2] == ("The mean score of the slices is 61.2, below 78 (the limit for diagnostic).", sentence)
    page = (tmp_path / "q.html").read_text()
    assert sentence in page
    assert KEY in page
    assert "good series of this protocol score 78.0 to 89.5, median 83.7, limit 78.0." in page
    row = next(csv.DictReader((tmp_path / "q.csv").open(newline="")))
    assert (row["protocol"], row["normal_limit"]) == (KEY, "78.0000")
    assert sentence in stand_in("score", "site low", "--baseline", "b.json")[1]


def test_unknown_protocol_falls_back_to_the_thresholds(stand_in):
    stand_in("calibrate", "site 24", "--out", "b.json")
    for name in ("limited", "good"):
        plain, known = (json.loads(stand_in("score", name, *more, "--json", "-")[1]) for more in ([], ["--baseline", "b.json"]))
        assert plain["normal"] is None
        assert known["verdict"] == plain["verdict"]
        assert known["reasons"][1] == "What is normal here is not known: the file does not say how it was acquired."


def test_policy_lets_the_baseline_replace_the_thresholds(stand_in, tmp_path):
    stand_in("calibrate", "site 24", "--out", "b.json")
    (tmp_path / "strict.toml").write_text("diagnostic = 95\nslice_flag = 92\nnon_diagnostic = 90")
    (tmp_path / "own.toml").write_text("diagnostic = 95\nslice_flag = 92\nnon_diagnostic = 90\nbaseline_replaces = true")
    for policy, verdict in (("strict.toml", "non-diagnostic"), ("own.toml", "diagnostic")):
        out = stand_in("score", "site 24", "--baseline", "b.json", "--policy", policy, "--json", "-")[1]
        assert {document["verdict"] for document in json.loads(out)} == {verdict}


@pytest.mark.parametrize("text", [None, "{}", "not json", '{"schema": "miqa-baseline/1", "model": NaN}'])
def test_a_bad_baseline_is_one_line_and_status_2(stand_in, tmp_path, text):
    if text is not None:
        (tmp_path / "b.json").write_text(text)
    status, out, err = stand_in("score", "good", "--baseline", "b.json")
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("miqanet: b.json: ")


def test_a_baseline_of_another_model_is_refused(stand_in, tmp_path):
    stand_in("calibrate", "site 24", "--out", "b.json")
    document = json.loads((tmp_path / "b.json").read_text())
    document["model"]["weights_sha256"] = "f" * 64
    (tmp_path / "b.json").write_text(json.dumps(document))
    status, out, err = stand_in("score", "good", "--baseline", "b.json")
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "b.json: this baseline was learnt with stand_in 0.0 (weights ffffffffffff), not with" in err


# With real files, scorer and weights


def write_site(folder: Path, template: Dataset, images: Iterable[np.ndarray]) -> None:
    """One series of one slice for each image, each of another patient of one protocol."""
    for number, image in enumerate(images):
        pixels = np.clip(np.round(image), 0, 4095).astype(np.uint16)
        template.Rows, template.Columns = pixels.shape
        template.PixelData = pixels.tobytes()
        template.EchoTime = 101 + number / 10
        template.SeriesInstanceUID, template.StudyInstanceUID, template.SOPInstanceUID = (generate_uid() for _ in range(3))
        template.file_meta.MediaStorageSOPInstanceUID = template.SOPInstanceUID
        template.PatientName, template.PatientID, template.PatientBirthDate = "Curie^Marie", f"PID-7734-{number}", "19670704"
        template.InstitutionName, template.SeriesDescription = "Warsaw General", f"t2 Marie Curie {number}"
        template.ProtocolName = "t2 Curie"
        save(template, folder / f"{number:03}" / "image.dcm")


def noisy(image: np.ndarray, count: int, first: int) -> list[np.ndarray]:
    """The image with little noise, another draw and level for each."""
    rngs = [np.random.default_rng(first + number) for number in range(count)]
    return [image + rng.normal(0, rng.uniform(0.002, 0.01) * image.max(), image.shape) for rng in rngs]


def check_site(miqanet, tmp_path: Path, template: Dataset, image: np.ndarray) -> dict:
    """Calibrate on 22 series and a cut one; a fresh good series is normal then, a spoiled one is not. Gives the baseline."""
    write_site(tmp_path / "good", template, noisy(image, 22, first=0))
    write_site(tmp_path / "fresh", template, noisy(image, 1, first=100))
    write_site(tmp_path / "spoiled", template, [simulate(image.astype(np.float32), "motion", 1.0, 3)])
    cut = tmp_path / "good" / "cut.dcm"
    cut.write_bytes((tmp_path / "fresh" / "000" / "image.dcm").read_bytes()[:-9000])

    status, out, err = miqanet("calibrate", "good", "--out", "b.json")
    assert status == 1
    assert [line for line in err.splitlines() if "cut.dcm" in line and line.startswith("miqanet:")]
    assert [(row["series"], row["status"].split(";")[0]) for row in table(out)] == [("22", "ok")]
    text = (tmp_path / "b.json").read_text()
    for secret in (*SECRETS, str(tmp_path)):
        assert secret not in text

    fresh, spoiled = (
        SeriesQuality.from_json(miqanet("score", name, "--baseline", "b.json", "--json", "-")[1])
        for name in ("fresh", "spoiled")
    )
    assert fresh.normal == spoiled.normal
    assert fresh.normal is not None and fresh.normal.limit is not None
    assert fresh.score is not None and spoiled.score is not None
    assert fresh.score > fresh.normal.limit - 1 > spoiled.score
    assert spoiled.flagged
    assert spoiled.reasons[1].startswith("Normal here: 22 good series of this protocol score ")
    document = json.loads(text)
    (tmp_path / "other.json").write_text(text.replace(document["model"]["weights_sha256"], "f" * 64))
    status, _, err = miqanet("score", "fresh", "--baseline", "other.json")
    assert (status, len(err.splitlines())) == (2, 1)
    assert "run miqanet calibrate again with this model" in err
    return document


def test_a_site_of_made_up_dicom_around_a_real_slice(miqanet, tmp_path):
    brain = demo_series().voxels
    image = brain[len(brain) // 2]
    template = mr_image(image.astype(np.uint16), Manufacturer="ACME", ScanningSequence="SE", RepetitionTime=4000)
    document = check_site(miqanet, tmp_path, template, image)
    assert list(document["protocols"]) == [
        "body part not given; ACME; SE; TR above 1500 ms, TE 53 to 150 ms; no agent; ORIGINAL PRIMARY M; matrix 128"
    ]


def test_a_site_of_real_dicom(miqanet, tmp_path, shared: Path):
    file = sorted((shared / "data" / "mri" / "pelvis_hip_PX0000_T2cor").iterdir())[1]
    template = pydicom.dcmread(file)
    image = template.pixel_array[32:288, 32:288].astype(float)
    check_site(miqanet, tmp_path, template, image)
