"""What is written back: which objects, and what they say."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_maker import enhanced, groups, mr_image, noise, save, slices
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from judged import judged
from miqanet_core import read_series
from miqanet_core.quality import SeriesQuality
from miqanet_core.series import MRSeries

hd = pytest.importorskip("highdicom")
from miqanet_core.dicom import Kind, headers_of, is_own_output, rejection_of, results_of  # noqa: E402
from miqanet_core.dicom.montage import montage_picture, worst_slices  # noqa: E402
from miqanet_core.errors import InputError  # noqa: E402
from miqanet_core.listener.making import made_objects  # noqa: E402
from miqanet_core.listener.reading import series_of_files  # noqa: E402
from miqanet_core.policy import Policy  # noqa: E402

POOR = [80.0, 30.0, None, 45.0]


@pytest.fixture
def series(tmp_path: Path) -> MRSeries:
    """Four slices, the patient's name in Latin-1."""
    slices(tmp_path, [0, 3, 6, 9], SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg", StudyDate="20240102")
    return read_series(tmp_path)


def made(quality: SeriesQuality, series: MRSeries, **options) -> dict[Kind, Dataset]:
    return results_of(quality, series, headers_of(series), **options)


def reread(dataset: Dataset, path: Path) -> Dataset:
    """As somebody else would get it."""
    dataset.save_as(path, enforce_file_format=True)
    return pydicom.dcmread(path)


def groups_of(report: Dataset) -> list[hd.sr.MeasurementsAndQualitativeEvaluations]:
    return hd.sr.ComprehensiveSR.from_dataset(report).content.get_image_measurement_groups()


def codes_of(group: hd.sr.MeasurementsAndQualitativeEvaluations, name) -> list[str]:
    return [evaluation.value.value for evaluation in group.get_qualitative_evaluations(name)]


def words_of(report: Dataset) -> str:
    container = report.ContentSequence[-1]
    return "\n".join(item.TextValue for item in container.ContentSequence)


def test_report_says_score_interval_verdict_and_every_slice(series, tmp_path):
    quality = judged(series, POOR, {1: {"motion": 0.7, "noise": 0.2}})
    report = reread(made(quality, series)[Kind.REPORT], tmp_path / "report")
    whole, first, second, fourth = groups_of(report)
    assert [m.value for m in whole.get_measurements()] == [51.6]
    properties = whole.get_measurements()[0][0].ContentSequence
    assert [float(p.MeasuredValueSequence[0].NumericValue) for p in properties] == pytest.approx([8.07, 9.93])
    assert codes_of(whole, codes.DCM.ImagingSeriesQuality) == ["RID14"]
    assert [codes_of(g, codes.DCM.QualityAssessment) for g in (first, second, fourth)] == [["111237"], ["111235"], ["111236"]]
    assert codes_of(second, codes.DCM.QualityFinding) == ["RID11423", "noise"]
    assert codes_of(first, codes.DCM.QualityFinding) == []
    assert codes_of(first, codes.DCM.QualityControlStandard) == ["111240"]
    sources = [g.source_images[0].referenced_sop_instance_uid for g in (first, second, fourth)]
    assert sources == [series.slice_sources[i].instance_uid for i in (0, 1, 3)]
    assert report.PatientName == "Müller^Jörg" and report.StudyDate == "20240102"
    assert report.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == "99MIQA"
    words = words_of(report)
    assert words.startswith("MIQA is a research tool, not a medical device")
    for said in (
        "non-diagnostic",
        "90 % of cases",
        "slice is flagged below 50",
        quality.model.weights_sha256,
        *quality.reasons,
    ):
        assert said in words


def test_report_without_a_known_cause_names_none(series):
    report = made(judged(series, POOR), series)[Kind.REPORT]
    assert not any(codes_of(group, codes.DCM.QualityFinding) for group in groups_of(report))
    assert "The model names no cause." in words_of(report)
    assert "CodingSchemeIdentificationSequence" not in report


def test_not_assessed_gets_an_honest_report_and_nothing_else(series, tmp_path):
    quality = judged(series, POOR, refusal="This is no MR series.")
    objects = made(quality, series, kinds=set(Kind))
    assert list(objects) == [Kind.REPORT]
    (whole,) = groups_of(reread(objects[Kind.REPORT], tmp_path / "report"))
    assert not whole.get_measurements() and not whole.get_qualitative_evaluations()
    assert "Not assessed" in words_of(objects[Kind.REPORT]) and "This is no MR series." in words_of(objects[Kind.REPORT])


def test_good_series_is_not_flagged(series):
    assert list(made(judged(series, [80.0, 90.0, 85.0, 70.0]), series)) == [Kind.REPORT]


@pytest.mark.parametrize(
    ("artifacts", "modifiers"),
    [({}, ["111221"]), ({1: {"motion": 0.5}}, ["111210"]), ({1: {"motion": 0.5}, 3: {"ghosting": 0.2}}, ["111207", "111210"])],
)
def test_flag_points_at_the_poor_images_and_says_why(series, tmp_path, artifacts, modifiers):
    flag = reread(made(judged(series, POOR, artifacts), series)[Kind.FLAG], tmp_path / "flag")
    content = hd.ko.KeyObjectSelectionDocument.from_dataset(flag).content
    assert content[0].name == codes.DCM.QualityIssue
    assert [i.value.value for i in content[0].ContentSequence if i.name == codes.DCM.DocumentTitleModifier] == modifiers
    references = [reference.referenced_sop_instance_uid for reference in content.get_references()]
    assert references == [series.slice_sources[i].instance_uid for i in (1, 3)]
    assert "research tool" in next(i.value for i in content[0].ContentSequence if i.name == codes.DCM.KeyObjectDescription)


def test_series_flagged_by_its_mean_alone_still_has_poor_images(series):
    quality = judged(series, [58.0, 57.0, 80.0, 40.0 + 11])
    quality = replace(quality, flagged=True)
    assert not any(one.flagged for one in quality.slices)
    flag = made(quality, series)[Kind.FLAG]
    content = hd.ko.KeyObjectSelectionDocument.from_dataset(flag).content
    assert [r.referenced_sop_instance_uid for r in content.get_references()] == [
        series.slice_sources[i].instance_uid for i in (0, 1, 3)
    ]


def test_uids_stay_for_the_same_result_and_differ_for_another(series):
    quality = judged(series, POOR)
    first, again = made(quality, series, kinds=set(Kind)), made(quality, series, kinds=set(Kind))
    assert [d.SOPInstanceUID for d in first.values()] == [d.SOPInstanceUID for d in again.values()]
    other_model = replace(quality, model=replace(quality.model, weights_sha256="f" * 64))
    other_stack = replace(quality, series={**quality.series, "description": "t2, echo 2"})
    others = [
        made(quality, series, version=2)[Kind.REPORT],
        made(other_model, series)[Kind.REPORT],
        made(other_stack, series)[Kind.REPORT],
    ]
    reports = [first[Kind.REPORT], *others]
    assert len({d.SOPInstanceUID for d in reports}) == 4
    assert len({d.SeriesInstanceUID for d in reports}) == 1
    assert len({d.SeriesInstanceUID for d in first.values()}) == 3
    assert all(d.StudyInstanceUID == "1.2.3" for d in first.values())


def test_a_series_of_several_stacks_gets_a_report_and_a_flag_for_each(tmp_path):
    """Two time points and two echoes that differ by less than is written: no object may take another's place."""
    series_uid = generate_uid()
    for number, (echo_time, time, z) in enumerate(product((20.0, 20.0000001), (1, 2), (0, 3))):
        tags = {"EchoTime": echo_time, "TemporalPositionIdentifier": time, "ImagePositionPatient": [0, 0, z]}
        save(mr_image(noise(number), SeriesInstanceUID=series_uid, **tags), tmp_path / f"{number}.dcm")
    paths = sorted(tmp_path.iterdir())
    stacks = series_of_files(paths)
    poor = [(judged(stack, [20.0, 30.0]).to_dict(), Path()) for stack in stacks]
    objects = made_objects(paths, poor, False, Policy.default(), 1)
    reports = [one for one in objects if one.Modality == "SR"]
    assert len(stacks) == len(reports) == len(objects) / 2 == 4
    assert len({one.SOPInstanceUID for one in objects}) == 8
    for report, stack in zip(reports, stacks, strict=True):
        evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
        of = {source.instance_uid for source in stack.slice_sources}
        assert {one.ReferencedSOPInstanceUID for one in evidence} == of
        assert f"Of the images: {stack.description}." in words_of(report)


def test_own_output_is_known_and_no_scan_is(series, tmp_path):
    quality = judged(series, POOR)
    objects = [*made(quality, series, kinds=set(Kind)).values(), rejection_of(quality, headers_of(series), "Curie^Marie")]
    assert all(is_own_output(reread(dataset, tmp_path / str(i))) for i, dataset in enumerate(objects))
    assert not any(map(is_own_output, headers_of(series)))
    assert not is_own_output(Dataset())


def test_only_a_named_person_rejects(series, tmp_path):
    quality = judged(series, POOR, {1: {"motion": 0.5}})
    for nobody in ("", " ", "^"):
        with pytest.raises(ValueError, match="only a person"):
            rejection_of(quality, headers_of(series), nobody)
    document = reread(rejection_of(quality, headers_of(series), "Curie^Marie", "moved"), tmp_path / "rejection")
    content = hd.ko.KeyObjectSelectionDocument.from_dataset(document).content
    assert content[0].name == codes.DCM.RejectedForQualityReasons
    values = [getattr(item, "value", None) for item in content[0].ContentSequence]
    assert "Curie^Marie" in values and "moved" in values
    assert len(content.get_references()) == 4
    assert Kind("report") in made(quality, series) and "rejection" not in [kind.value for kind in Kind]


def test_frames_of_an_enhanced_image_are_referred_to_by_number(tmp_path):
    frames = [
        groups(
            PlanePositionSequence={"ImagePositionPatient": [0, 0, z]}, FrameContentSequence={"DimensionIndexValues": [1, i + 1]}
        )
        for i, z in enumerate([9, 6, 3, 0])
    ]
    save(enhanced(np.stack([noise(i) for i in range(4)]), frames), tmp_path / "e.dcm")
    series = read_series(tmp_path)
    assert [source.frame for source in series.slice_sources] == [4, 3, 2, 1]
    objects = made(judged(series, POOR), series, kinds=set(Kind))
    report_frames = [g.source_images[0].referenced_frame_numbers for g in groups_of(objects[Kind.REPORT])[1:]]
    assert report_frames == [[4], [3], [1]]
    (reference,) = hd.ko.KeyObjectSelectionDocument.from_dataset(objects[Kind.FLAG]).content.get_references()
    assert reference.referenced_frame_numbers == [1, 3]
    assert objects[Kind.MONTAGE].SourceImageSequence[0].ReferencedFrameNumber == [1, 3, 4]


def test_montage_shows_the_worst_slices_and_no_name(series, tmp_path):
    quality = judged(series, POOR, {1: {"motion": 0.5}})
    montage = reread(made(quality, series, kinds=[Kind.MONTAGE])[Kind.MONTAGE], tmp_path / "montage")
    assert [one.index for one in worst_slices(quality)] == [0, 1, 3]
    assert (montage.pixel_array == montage_picture(quality, series)).all()
    assert montage.BurnedInAnnotation == "NO" and montage.PatientName == "Müller^Jörg"
    assert {item.ReferencedSOPInstanceUID for item in montage.SourceImageSequence} == {
        series.slice_sources[i].instance_uid for i in (0, 1, 3)
    }
    with pytest.raises(ValueError, match="no quality map"):
        made(replace(quality, map=None), series, kinds=[Kind.MONTAGE])


def test_malformed_headers_do_not_spoil_what_is_written(tmp_path):
    image = mr_image(noise(0), PatientSex="X", StudyID="S" * 30, SeriesNumber=None, PatientName=None)
    image.add_new("StudyTime", "TM", "later")
    save(image, tmp_path / "a.dcm")
    series = read_series(tmp_path)
    report = reread(made(judged(series, [30.0]), series)[Kind.REPORT], tmp_path / "report")
    assert not report.PatientSex and not report.StudyTime and not report.PatientName
    assert report.StudyID == "S" * 16 and report.PatientID == "P1"


def test_what_cannot_be_referred_to_is_refused(series, tmp_path):
    quality = judged(series, POOR)
    with pytest.raises(ValueError, match="headers of 1 of 4"):
        results_of(quality, series, headers_of(series)[1:])
    headers = headers_of(series)
    del headers[0].StudyInstanceUID
    with pytest.raises(ValueError, match="no StudyInstanceUID"):
        results_of(quality, series, headers)
    with pytest.raises(InputError, match="is not DICOM"):
        headers_of(replace(series, slice_sources=()))
