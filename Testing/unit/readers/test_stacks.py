"""Synthetic DICOM series: how frames are sorted into stacks, and what is done to their pixels."""

import random
import struct
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
from dicom_maker import AXIAL, CORONAL, SAGITTAL, enhanced, groups, mr_image, noise, save, slices
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from miqanet_core.errors import InputError
from miqanet_core.readers import read_all_series, read_series, scan


def test_slices_are_sorted_by_place_whatever_the_names_and_numbers(tmp_path: Path) -> None:
    names = [f"{number:02}" for number in range(8)]
    random.Random(3).shuffle(names)
    for z, name in enumerate(names):
        image = mr_image(noise(z), ImagePositionPatient=[0, 0, 3 * z], InstanceNumber=100 - z)
        save(image, tmp_path / name)
    series = read_series(tmp_path)
    assert np.array_equal(series.voxels, np.stack([noise(z) for z in range(8)]))
    assert [source.name for source in series.sources] == names
    assert series.geometry is not None
    assert series.geometry.spacing == (0.75, 0.5, 3.0)
    assert series.notes == ()


def test_identity_and_facts(tmp_path: Path) -> None:
    slices(tmp_path, [0, 3], MagneticFieldStrength=1.5, Manufacturer="ACME", BodyPartExamined="KNEE")
    series = read_series(tmp_path)
    assert (series.identity.patient_id, series.identity.patient_name) == ("P1", "Doe^Jo")
    assert len(series.identity.instance_uids) == 2
    assert series.facts["field_strength_t"] == 1.5
    assert series.facts["body_part"] == "KNEE"
    assert series.facts["matrix"] == "20 x 24"
    assert "Doe" not in repr(dict(series.facts))


def test_a_single_file_of_a_series_reads_alone(tmp_path: Path) -> None:
    slices(tmp_path, [0, 3, 6])
    assert read_series(tmp_path / "a1.dcm").size == (20, 24, 1)


def test_gaps_are_told(tmp_path: Path) -> None:
    slices(tmp_path, [0, 3, 9, 12])
    assert read_series(tmp_path).notes == ("1 slice is missing",)


def test_uneven_spacing_is_told(tmp_path: Path) -> None:
    slices(tmp_path, [0, 3, 7.2, 10])
    assert "unevenly spaced" in read_series(tmp_path).notes[0]


def test_copies_are_dropped(tmp_path: Path) -> None:
    slices(tmp_path, [0, 3])
    (tmp_path / "copy.dcm").write_bytes((tmp_path / "a1.dcm").read_bytes())
    series = read_series(tmp_path)
    assert series.size == (20, 24, 2)
    assert series.notes == ("1 duplicate file was left out",)


def test_localiser_has_a_stack_for_each_orientation(tmp_path: Path) -> None:
    for number, orientation in enumerate([AXIAL, SAGITTAL, CORONAL]):
        tags = {"ImageOrientationPatient": orientation, "ImagePositionPatient": None}
        for step in range(3):
            normal = np.cross(orientation[:3], orientation[3:]) * 10.0 * step
            tags["ImagePositionPatient"] = normal.tolist()
            image = mr_image(noise(10 * number + step), InstanceNumber=10 * number + step, **tags)
            save(image, tmp_path / f"{number}{step}.dcm")
    series = read_all_series(tmp_path)
    assert [one.description for one in series] == ["t2, axial", "t2, sagittal", "t2, coronal"]
    assert {one.size for one in series} == {(20, 24, 3)}


def test_two_matrix_sizes_are_two_stacks(tmp_path: Path) -> None:
    slices(tmp_path, [0, 3])
    save(mr_image(noise(9, 32, 32), ImagePositionPatient=[0, 0, 6], InstanceNumber=9), tmp_path / "big.dcm")
    assert [one.description for one in read_all_series(tmp_path)] == ["t2, 20 x 24", "t2, 32 x 32"]


@pytest.mark.parametrize(("tags", "labels"), [
    ([{"EchoNumbers": 1, "EchoTime": 20}, {"EchoNumbers": 2, "EchoTime": 80}], ["echo 1", "echo 2"]),
    ([{"EchoTime": 20}, {"EchoTime": 80.5}], ["TE 20 ms", "TE 80.5 ms"]),
    ([{"DiffusionBValue": 0}, {"DiffusionBValue": 1000}], ["b-value 0", "b-value 1000"]),
    ([{"InversionTime": 100}, {"InversionTime": 900}], ["TI 100 ms", "TI 900 ms"]),
    ([{"FlipAngle": 5}, {"FlipAngle": 30}], ["flip angle 5", "flip angle 30"]),
    ([{"ImageType": ["ORIGINAL", "PRIMARY", "M"]}, {"ImageType": ["ORIGINAL", "PRIMARY", "P"]}], ["magnitude", "phase"]),
    ([{"ImageType": ["DERIVED", "PRIMARY", "DIXON", "FAT"]}, {"ImageType": ["DERIVED", "PRIMARY", "DIXON", "WATER"]}],
     ["fat", "water"]),
    ([{"TemporalPositionIdentifier": number} for number in (1, 2, 3)], ["time 1", "time 2", "time 3"]),
    ([{"TriggerTime": time} for time in (0, 33.5, 67)], ["time 1", "time 2", "time 3"]),
    ([{"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}], ["time 1", "time 2"]),
    ([{"AcquisitionTime": "101500"}, {"AcquisitionTime": "101530"}], ["time 1", "time 2"]),
    ([{"ContentTime": "101500"}, {"ContentTime": "101530"}], ["time 1", "time 2"]),
    ([{}, {}], ["repeat 1", "repeat 2"]),
    ([{"ImagePositionPatient": [0, 0, 0]}, {"ImagePositionPatient": [0, 200, 0]}], ["station 1", "station 2"]),
])  # fmt: skip
def test_frames_at_one_place_are_told_apart(tmp_path: Path, tags: list[dict[str, object]], labels: list[str]) -> None:
    expected = []
    for number, differing in enumerate(tags):
        offset = differing.get("ImagePositionPatient", [0, 0, 0])
        for index in range(3):
            place = {"ImagePositionPatient": [offset[0], offset[1], 3.0 * index]}
            seed = 10 * number + index
            image = mr_image(noise(seed), **{"InstanceNumber": seed + 1, **differing, **place})
            save(image, tmp_path / f"{(seed * 7) % 31:02}.dcm")
        expected.append(np.stack([noise(10 * number + index) for index in range(3)]))
    series = read_all_series(tmp_path)
    assert [one.description for one in series] == [f"t2, {label}" for label in labels]
    for one, voxels in zip(series, expected, strict=True):
        assert np.array_equal(one.voxels, voxels)


def test_times_that_also_differ_from_slice_to_slice_are_ranked_at_each_place(tmp_path: Path) -> None:
    for slot in range(3):
        slices(tmp_path, [3 * slot], first=slot, name="x{}", AcquisitionTime=f"1015{slot:02}")
        slices(tmp_path, [3 * slot], first=10 + slot, name="x{}", AcquisitionTime=f"1016{slot:02}")
    series = read_all_series(tmp_path)
    assert [one.description for one in series] == ["t2, time 1", "t2, time 2"]
    assert np.array_equal(series[1].voxels, np.stack([noise(10 + slot) for slot in range(3)]))


def test_echoes_and_times_together(tmp_path: Path) -> None:
    for number, (echo, time) in enumerate([(1, 1), (1, 2), (2, 1), (2, 2)]):
        slices(tmp_path, [0, 3], first=10 * number, EchoNumbers=echo, TemporalPositionIdentifier=time)
    descriptions = [one.description for one in read_all_series(tmp_path)]
    assert descriptions == ["t2, echo 1, time 1", "t2, echo 1, time 2", "t2, echo 2, time 1", "t2, echo 2, time 2"]


def test_acquisitions_at_different_places_stay_one_stack(tmp_path: Path) -> None:
    slices(tmp_path, [0, 6], AcquisitionNumber=1)
    slices(tmp_path, [3, 9], first=5, AcquisitionNumber=2)
    assert read_series(tmp_path).size == (20, 24, 4)


def test_several_series_are_listed(tmp_path: Path) -> None:
    slices(tmp_path, [0, 3])
    slices(tmp_path, [0, 3], first=5, SeriesInstanceUID="1.2.99", SeriesDescription="t1", SeriesNumber=2)
    assert [one.description for one in read_all_series(tmp_path)] == ["t1", "t2"]
    with pytest.raises(InputError, match=r"holds 2 series \('t1', 't2'\); read them with read_all_series"):
        read_series(tmp_path)


def test_one_bad_series_does_not_stop_the_others(tmp_path: Path) -> None:
    slices(tmp_path, [0, 3])
    slices(tmp_path, [0, 3], first=5, SeriesInstanceUID="1.2.99", Rows=4000)
    (tmp_path / "text.dcm").write_text("not an image at all")
    (tmp_path / "README").write_text("words")
    (tmp_path / ".hidden.dcm").write_text("words")
    seen: list[tuple[int, int]] = []
    result = scan(tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert [one.size for one in result.series] == [(20, 24, 2)]
    assert sorted(failure.path.name for failure in result.failures) == ["a5.dcm", "text.dcm"]
    assert result.skipped == {"not an image": 1, "hidden file": 1}
    assert seen[-1] == (4, 4)
    with pytest.raises(InputError):
        read_all_series(tmp_path)


def test_signed_rescaled_and_window_never_used(tmp_path: Path) -> None:
    pixels = noise(1).astype(np.int16) - 500
    image = mr_image(pixels, RescaleSlope=2, RescaleIntercept=-3, WindowWidth=0, WindowCenter=0)
    series = read_series(save(image, tmp_path / "a.dcm"))
    assert np.array_equal(series.voxels[0], pixels * 2.0 - 3)


def test_eight_bit(tmp_path: Path) -> None:
    pixels = (noise(1) % 256).astype(np.uint8)
    assert np.array_equal(read_series(save(mr_image(pixels), tmp_path / "a.dcm")).voxels[0], pixels)


@pytest.mark.parametrize(("dtype", "bits", "total"), [(np.uint16, 12, 4095), (np.int16, 16, -1), (np.uint8, 8, 255)])
def test_monochrome1_is_inverted(tmp_path: Path, dtype: type, bits: int, total: int) -> None:
    pixels = (noise(1) % 256).astype(dtype)
    image = mr_image(pixels, PhotometricInterpretation="MONOCHROME1", BitsStored=bits, HighBit=bits - 1)
    series = read_series(save(image, tmp_path / "a.dcm"))
    assert np.array_equal(series.voxels[0], total - pixels.astype(float))
    assert any("MONOCHROME1" in note for note in series.notes)


def test_modality_lut(tmp_path: Path) -> None:
    lut = Dataset()
    lut.LUTDescriptor, lut.ModalityLUTType = [1000, 0, 16], "US"
    lut.add_new("LUTData", "OW", (3 * np.arange(1000, dtype=np.uint16)).tobytes())
    image = mr_image(noise(1))
    image.ModalityLUTSequence = Sequence([lut])
    assert np.array_equal(read_series(save(image, tmp_path / "a.dcm")).voxels[0], noise(1) * 3.0)


def test_colour_is_turned_to_grey(tmp_path: Path) -> None:
    rgb = np.stack([noise(seed) % 256 for seed in range(3)], axis=-1).astype(np.uint8)
    image = mr_image(rgb[..., 0], SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    image.PixelData = rgb.tobytes()
    series = read_series(save(image, tmp_path / "a.dcm"))
    assert np.allclose(series.voxels[0], rgb @ [0.299, 0.587, 0.114], atol=1e-3)
    assert "colour was turned to grey" in series.notes


def test_a_file_without_preamble_or_ending(tmp_path: Path) -> None:
    whole = save(mr_image(noise(1)), tmp_path / "whole.dcm").read_bytes()
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "IM0001").write_bytes(whole[132:])
    assert np.array_equal(read_series(tmp_path / "bare").voxels[0], noise(1))


def test_a_single_image_without_place_has_no_geometry(tmp_path: Path) -> None:
    image = mr_image(noise(1), ImagePositionPatient=None, ImageOrientationPatient=None)
    series = read_series(save(image, tmp_path / "a.dcm"))
    assert series.geometry is None
    assert series.notes == ("the image has no position in the patient",)


def test_constant_image_reads(tmp_path: Path) -> None:
    series = read_series(save(mr_image(np.full((20, 20), 7, np.uint16)), tmp_path / "a.dcm"))
    assert np.all(series.voxels == 7)


def _frame(z: float, **more: dict[str, object]) -> Dataset:
    return groups(PlanePositionSequence={"ImagePositionPatient": [0, 0, z]}, **more)


def test_several_cines_of_a_series_are_a_stack_each(tmp_path: Path) -> None:
    for number in range(2):
        pixels = np.stack([noise(10 * number + frame) for frame in range(3)])
        image = mr_image(pixels, NumberOfFrames=3, InstanceNumber=number + 1, ImagePositionPatient=[0, 0, 3 * number])
        save(image, tmp_path / f"{9 - number}.dcm")
    series = read_all_series(tmp_path)
    assert [one.description for one in series] == ["t2, cine 1", "t2, cine 2"]
    assert np.array_equal(series[1].voxels[2], noise(12))
    assert series[0].geometry is None


def test_siemens_b_values_and_directions(tmp_path: Path) -> None:
    for number, (b_value, direction) in enumerate([(0, None), (800, [1.0, 0, 0]), (800, [0, 1.0, 0])]):
        for z in range(2):
            image = mr_image(noise(10 * number + z), ImagePositionPatient=[0, 0, 3 * z], InstanceNumber=10 * number + z)
            block = image.private_block(0x0019, "SIEMENS MR HEADER", create=True)
            block.add_new(0x0C, "IS", b_value)
            if direction:
                block.add_new(0x0E, "FD", direction)
            save(image, tmp_path / f"{number}{z}.dcm")
    labels = [one.description for one in read_all_series(tmp_path)]
    assert labels == ["t2, b-value 0", "t2, b-value 800, direction 1", "t2, b-value 800, direction 2"]


@pytest.mark.parametrize("backwards", [False, True])
def test_mosaic_slices_follow_the_normal_of_the_private_header(tmp_path: Path, backwards: bool) -> None:
    """Without the CSA header the slices follow the normal of the sheet."""
    sheet = noise(1, 40, 60)
    image = mr_image(sheet, ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"], SpacingBetweenSlices=4)
    image.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 3)
    if backwards:
        image.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", _csa_normal("0", "0", "-1"))
    series = read_series(save(image, tmp_path / "a.dcm"))
    tiles = [sheet[:20, :30], sheet[:20, 30:], sheet[20:, :30]]
    assert np.array_equal(series.voxels, np.stack(tiles[::-1] if backwards else tiles))
    assert series.geometry is not None
    assert series.geometry.origin == (0.75 * 15, 0.5 * 10, -8.0 if backwards else 0.0)
    assert series.geometry.spacing == (0.75, 0.5, 4.0)


def _csa_normal(*values: str) -> bytes:
    """A Siemens CSA2 header with SliceNormalVector and nothing else."""
    items = b"".join(struct.pack("<4i", len(text), len(text), 77, len(text)) + text.encode().ljust(4, b"\0") for text in values)
    tag = struct.pack("<64si4s3i", b"SliceNormalVector", 3, b"FD\0\0", 4, len(values), 77)
    return b"SV10\4\3\2\1" + struct.pack("<2I", 1, 77) + tag + items


def test_enhanced_frames_are_sorted_and_rescaled_each_by_itself(tmp_path: Path) -> None:
    pixels = np.stack([noise(seed) for seed in range(3)])
    frames = [
        _frame(z, PixelValueTransformationSequence={"RescaleSlope": slope, "RescaleIntercept": 1, "RescaleType": "US"})
        for z, slope in [(6, 1), (0, 2), (3, 3)]
    ]
    series = read_series(save(enhanced(pixels, frames), tmp_path / "a.dcm"))
    assert np.array_equal(series.voxels, np.stack([pixels[1] * 2.0 + 1, pixels[2] * 3.0 + 1, pixels[0] + 1.0]))
    assert series.geometry is not None
    assert series.geometry.spacing == (0.75, 0.5, 3.0)
    assert series.facts["repetition_time_ms"] == 4000


def test_enhanced_echoes_and_times(tmp_path: Path) -> None:
    layout = [(z, echo, time) for time in (1, 2) for echo in (10.0, 20.0) for z in (0, 3)]
    frames = [
        _frame(z, MREchoSequence={"EffectiveEchoTime": echo}, FrameContentSequence={"TemporalPositionIndex": time})
        for z, echo, time in layout
    ]
    pixels = np.stack([noise(seed) for seed in range(8)])
    series = read_all_series(save(enhanced(pixels, frames), tmp_path / "a.dcm"))
    labels = ["TE 10 ms, time 1", "TE 10 ms, time 2", "TE 20 ms, time 1", "TE 20 ms, time 2"]
    assert [one.description for one in series] == [f"t2, {label}" for label in labels]
    assert np.array_equal(series[1].voxels, pixels[4:6])
    assert [one.facts["echo_time_ms"] for one in series] == [10, 10, 20, 20]


def test_enhanced_dimension_index_is_the_last_resort(tmp_path: Path) -> None:
    frames = [_frame(z, FrameContentSequence={"DimensionIndexValues": [turn, z + 1]}) for turn in (2, 1) for z in (0, 3)]
    pixels = np.stack([noise(seed) for seed in range(4)])
    series = read_all_series(save(enhanced(pixels, frames), tmp_path / "a.dcm"))
    assert len(series) == 2
    assert np.array_equal(series[0].voxels, pixels[2:])


def test_five_hundred_files_are_not_slow(tmp_path: Path) -> None:
    """A quadratic reader would take minutes; the limit is generous, for a busy machine."""
    slices(tmp_path, [0.5 * index for index in range(500)])
    start = monotonic()
    assert read_series(tmp_path).size == (20, 24, 500)
    assert monotonic() - start < 30
