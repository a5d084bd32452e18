"""NIfTI, NRRD, MetaImage and pictures that read: axes, volumes, scaling, colour."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from dicom_maker import noise, slices
from PIL import Image

from miqanet_core.readers import read_all_series, read_series

VOLUME = np.random.default_rng(0).random((20, 24, 5)).astype(np.float32)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_every_type_becomes_float32(tmp_path: Path, dtype: type) -> None:
    data = (VOLUME * 200).astype(dtype)
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), tmp_path / "a.nii.gz")
    sitk.WriteImage(sitk.GetImageFromArray(data.T), str(tmp_path / "a.nrrd"))
    for series in read_all_series(tmp_path):
        assert series.voxels.dtype == np.float32
        assert np.array_equal(series.voxels, data.T.astype(np.float32))


def test_slices_run_along_the_third_axis_and_place_is_in_lps(tmp_path: Path) -> None:
    affine = np.array([[0, 0, 3.0, 10], [2.0, 0, 0, 20], [0, -1.5, 0, 30], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(VOLUME, affine), tmp_path / "a.nii")
    series = read_series(tmp_path / "a.nii")
    assert series.description == "a"
    assert series.size == (20, 24, 5)
    assert np.array_equal(series.voxels[2], VOLUME[:, :, 2].T)
    assert series.geometry is not None
    assert series.geometry.spacing == (2.0, 1.5, 3.0)
    assert series.geometry.origin == (-10.0, -20.0, 30.0)
    assert np.allclose(series.geometry.direction, [[0, 0, -1], [-1, 0, 0], [0, -1, 0]])
    assert np.allclose(np.ravel(series.geometry.direction), sitk.ReadImage(str(tmp_path / "a.nii")).GetDirection())


def test_scale_is_applied(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image((VOLUME * 100).astype(np.int16), np.eye(4))
    image.header.set_slope_inter(0.5, 7)
    nibabel.save(image, tmp_path / "a.nii")
    stored = np.asarray(nibabel.load(tmp_path / "a.nii").dataobj.get_unscaled())
    slope, intercept = nibabel.load(tmp_path / "a.nii").dataobj.slope, nibabel.load(tmp_path / "a.nii").dataobj.inter
    assert np.allclose(read_series(tmp_path / "a.nii").voxels, (stored * slope + intercept).T, atol=1e-4)


def test_a_sheared_nifti_reads(tmp_path: Path) -> None:
    affine = np.eye(4)
    affine[0, 2] = 0.4
    nibabel.save(nibabel.Nifti1Image(VOLUME, affine), tmp_path / "a.nii")
    assert read_series(tmp_path / "a.nii").size == (20, 24, 5)


def test_no_orientation_is_told(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOLUME, None)
    nibabel.save(image, tmp_path / "a.nii")
    assert read_series(tmp_path / "a.nii").notes == ("the file does not say how its axes lie in the patient",)


@pytest.mark.parametrize("shape", [(20, 24), (20, 24, 1), (20, 24, 1, 1), (20, 24, 1, 1, 1)])
def test_trailing_axes_of_length_one_are_fine(tmp_path: Path, shape: tuple[int, ...]) -> None:
    nibabel.save(nibabel.Nifti1Image(VOLUME[..., :1].reshape(shape), np.eye(4)), tmp_path / "a.nii")
    assert np.array_equal(read_series(tmp_path / "a.nii").voxels[0], VOLUME[..., 0].T)


def test_nifti_pair(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Pair(VOLUME, np.eye(4)), tmp_path / "a.hdr")
    assert np.array_equal(read_series(tmp_path).voxels, VOLUME.T)


def test_four_dimensions_are_a_series_for_each_volume(tmp_path: Path) -> None:
    data = np.stack([VOLUME, VOLUME + 1, VOLUME + 2], axis=-1)
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), tmp_path / "a.nii.gz")
    sitk.WriteImage(sitk.GetImageFromArray(data.T, isVector=False), str(tmp_path / "b.nrrd"))
    series = read_all_series(tmp_path)
    assert [one.description for one in series] == [f"{name}, volume {number} of 3" for name in "ab" for number in (1, 2, 3)]
    for number, one in enumerate(series):
        assert np.array_equal(one.voxels, (VOLUME + number % 3).T)
        assert one.geometry is not None


def test_a_slicer_sequence_nrrd_is_a_series_for_each_volume(tmp_path: Path) -> None:
    data = np.stack([VOLUME, VOLUME + 1], axis=0)
    header = (
        "NRRD0004\ntype: float\ndimension: 4\nspace: left-posterior-superior\nsizes: 2 20 24 5\n"
        "space directions: none (2,0,0) (0,1,0) (0,0,3)\nkinds: list domain domain domain\nendian: little\nencoding: raw\n"
        "space origin: (1,2,3)\n\n"
    )
    (tmp_path / "a.seq.nrrd").write_bytes(header.encode() + data.tobytes(order="F"))
    series = read_all_series(tmp_path)
    assert len(series) == 2
    assert np.array_equal(series[1].voxels, (VOLUME + 1).T)
    assert series[0].geometry is not None
    assert series[0].geometry.spacing == (2, 1, 3)


def test_compressed_nrrd_and_mha(tmp_path: Path) -> None:
    for name in ("a.nrrd", "b.mha"):
        sitk.WriteImage(sitk.GetImageFromArray(VOLUME.T), str(tmp_path / name), useCompression=True)
    first, second = read_all_series(tmp_path)
    assert np.array_equal(first.voxels, second.voxels)
    assert np.array_equal(first.voxels, VOLUME.T)


def test_flat_nrrd(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(noise(1)), str(tmp_path / "a.nrrd"))
    series = read_series(tmp_path / "a.nrrd")
    assert np.array_equal(series.voxels[0], noise(1))
    assert series.geometry is None


def test_png_of_sixteen_bits(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(noise(1) * np.uint16(60)), str(tmp_path / "a.png"))
    series = read_series(tmp_path / "a.png")
    assert np.array_equal(series.voxels[0], noise(1) * 60.0)
    assert series.geometry is None


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("coloured", [False, True])
def test_channels_of_a_png(tmp_path: Path, channels: int, coloured: bool) -> None:
    grey = (noise(1) % 256).astype(np.uint8)
    pixels = np.stack([grey] * channels, axis=-1)
    if coloured and channels > 2:
        pixels[..., 1] = 255 - grey
    Image.fromarray(pixels).save(tmp_path / "a.png")
    series = read_series(tmp_path / "a.png")
    turned = coloured and channels > 2
    assert ("colour was turned to grey" in series.notes) is turned
    assert ("transparency was left out" in series.notes) is (channels != 3)
    assert np.array_equal(series.voxels[0], grey) is not turned


def test_jpeg(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(40), np.arange(48)).astype(np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(smooth), str(tmp_path / "a.jpg"))
    assert np.abs(read_series(tmp_path / "a.jpg").voxels[0] - smooth).max() < 8


def test_formats_together_in_one_folder(tmp_path: Path) -> None:
    slices(tmp_path / "dicom", [0, 3])
    nibabel.save(nibabel.Nifti1Image(VOLUME, np.eye(4)), tmp_path / "b.nii")
    sitk.WriteImage(sitk.GetImageFromArray(noise(1)), str(tmp_path / "c.png"))
    (tmp_path / "b.json").write_text("{}")
    assert [series.description for series in read_all_series(tmp_path)] == ["t2", "b", "c"]
