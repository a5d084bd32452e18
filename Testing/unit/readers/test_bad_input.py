"""Bad input: every one is an InputError of one line that names the file, says what is wrong and what to do."""

import gzip
import os
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from dicom_maker import enhanced, groups, mr_image, noise, save, slices
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import (
    MPEG2MPML,
    EncapsulatedPDFStorage,
    JPEG2000Lossless,
    JPEGLSLossless,
    KeyObjectSelectionDocumentStorage,
    RawDataStorage,
    RLELossless,
)

import cli_stand_ins
from miqanet_core.errors import InputError
from miqanet_core.readers import read_all_series, read_series, scan

Maker = Callable[[Path], Path]
BAD: dict[str, tuple[Maker, str]] = {}


def bad(problem: str) -> Callable[[Maker], Maker]:
    """Enter a maker of a bad file into the table; ``problem`` is a pattern that the message must hold."""

    def enter(maker: Maker) -> Maker:
        BAD[maker.__name__] = (maker, problem)
        return maker

    return enter


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _dicom(folder: Path, **tags: object) -> Path:
    return save(mr_image(noise(1), **tags), folder / "bad.dcm")


def _nifti(folder: Path, data: np.ndarray, name: str = "bad.nii") -> Path:
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), folder / name)
    return folder / name


def _itk(folder: Path, data: np.ndarray, name: str, *, vector: bool = False) -> Path:
    sitk.WriteImage(sitk.GetImageFromArray(data, isVector=vector), str(folder / name))
    return folder / name


def _cut(path: Path, share: float = 0.5) -> Path:
    content = path.read_bytes()
    return _write(path, content[: int(len(content) * share)])


VOLUME = np.random.default_rng(0).random((20, 20, 4)).astype(np.float32)

# ---- paths


@bad("does not exist")
def missing_path(folder: Path) -> Path:
    return folder / "nothing.dcm"


@bad("does not exist")
def path_below_a_file(folder: Path) -> Path:
    return _write(folder / "a.txt", b"words") / "b.dcm"


@bad("not a path")
def path_too_long(folder: Path) -> Path:
    return folder / ("x" * 5000)


@bad("holds no file")
def empty_folder(folder: Path) -> Path:
    return folder


@bad("holds no file")
def folder_named_like_a_file(folder: Path) -> Path:
    (folder / "bad.dcm").mkdir()
    return folder / "bad.dcm"


@bad("holds no image.*1 x not an image")
def folder_of_text(folder: Path) -> Path:
    (folder / "participants.tsv").write_text("a\tb\n")
    return folder


@bad("link to a file that is not there")
def broken_link(folder: Path) -> Path:
    (folder / "bad.dcm").symlink_to(folder / "gone")
    return folder / "bad.dcm"


@bad("not a regular file")
def named_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "bad.dcm")
    return folder / "bad.dcm"


@bad("not a regular file")
def named_pipe_without_ending(folder: Path) -> Path:
    os.mkfifo(folder / "bad")
    return folder / "bad"


@bad("is empty")
def empty_file(folder: Path) -> Path:
    return _write(folder / "bad.dcm", b"")


@bad("empty file")
def empty_file_without_ending(folder: Path) -> Path:
    return _write(folder / "bad", b"")


@bad("no image MIQA can read")
def text_file(folder: Path) -> Path:
    return _write(folder / "notes.txt", b"words")


@bad("packed archive")
def zip_archive(folder: Path) -> Path:
    return _write(folder / "study.zip", b"PK\x03\x04" + bytes(100))


@bad("its name does not say so")
def png_without_ending(folder: Path) -> Path:
    _itk(folder, noise(1), "a.png").rename(folder / "bad")
    return folder / "bad"


# ---- DICOM


@bad("is not DICOM: it holds text")
def text_named_dcm(folder: Path) -> Path:
    return _write(folder / "bad.dcm", b"This is no image at all, whatever its name says.")


@bad("is not DICOM but a .png file")
def png_named_dcm(folder: Path) -> Path:
    _itk(folder, noise(1), "a.png").rename(folder / "bad.dcm")
    return folder / "bad.dcm"


@bad("neither the DICM mark")
def zeros_named_dcm(folder: Path) -> Path:
    return _write(folder / "bad.dcm", bytes(4096))


@bad("is cut short: it ends before the image is described")
def dicom_cut_in_the_preamble(folder: Path) -> Path:
    return _write(_dicom(folder), _dicom(folder).read_bytes()[:140])


@bad("holds a DICOM header without an image; export it again with its pixels")
def dicom_cut_in_the_header(folder: Path) -> Path:
    return _cut(_dicom(folder), 0.2)


@bad("is cut short")
def dicom_cut_in_the_pixels(folder: Path) -> Path:
    return _cut(_dicom(folder), 0.8)


@bad("is cut short")
def dicom_cut_by_a_scanner(_: Path) -> Path:
    return Path(str(get_testdata_file("MR_truncated.dcm")))


@bad("no pixels")
def dicom_without_pixels(folder: Path) -> Path:
    image = mr_image(noise(1))
    del image.PixelData
    return save(image, folder / "bad.dcm")


@bad("no pixels")
def dicom_with_empty_pixels(folder: Path) -> Path:
    image = mr_image(noise(1))
    image.PixelData = b""
    return save(image, folder / "bad.dcm")


@bad("header without an image")
def dicom_without_rows(folder: Path) -> Path:
    return _dicom(folder, Rows=None, Columns=None)


@bad("has no voxels")
def dicom_with_no_rows(folder: Path) -> Path:
    return _dicom(folder, Rows=0)


@bad("has no voxels")
def dicom_with_no_columns(folder: Path) -> Path:
    return _dicom(folder, Columns=0)


@bad("too small to score")
def dicom_too_small(folder: Path) -> Path:
    return save(mr_image(noise(1, 15, 40)), folder / "bad.dcm")


@bad("claims 7200000000 bytes of voxels but is far too small")
def dicom_claims_too_much(folder: Path) -> Path:
    return _dicom(folder, Rows=60000, Columns=60000)


@bad("far too small to hold")
def compressed_dicom_claims_too_much(folder: Path) -> Path:
    image = mr_image(noise(1), Rows=60000, Columns=60000)
    return _compressed(image, folder, RLELossless, bytes(200))


@bad("holds 960 bytes of pixels where its header describes 480")
def bits_allocated_too_few(folder: Path) -> Path:
    return _dicom(folder, BitsAllocated=8, BitsStored=8, HighBit=7)


@bad("is cut short")
def bits_allocated_too_many(folder: Path) -> Path:
    return _dicom(folder, BitsAllocated=32, BitsStored=32, HighBit=31)


@bad("no valid Bits Allocated")
def bits_allocated_odd(folder: Path) -> Path:
    return _dicom(folder, BitsAllocated=13)


@bad("no valid Bits Allocated")
def bits_allocated_missing(folder: Path) -> Path:
    return _dicom(folder, BitsAllocated=None)


@bad("cannot be understood")
def photometric_missing(folder: Path) -> Path:
    return _dicom(folder, PhotometricInterpretation=None)


@bad("Rescale Slope of 0")
def rescale_slope_zero(folder: Path) -> Path:
    return _dicom(folder, RescaleSlope=0, RescaleIntercept=0)


@bad("cut short")
def more_frames_than_pixels(folder: Path) -> Path:
    return _dicom(folder, NumberOfFrames=5)


@bad("far too small to hold")
def frames_beyond_belief(folder: Path) -> Path:
    return _dicom(folder, NumberOfFrames=2_000_000_000)


@bad("says it has 3 frames but describes 2")
def frames_and_their_groups_disagree(folder: Path) -> Path:
    frames = [groups(PlanePositionSequence={"ImagePositionPatient": [0, 0, z]}) for z in (0, 3)]
    image = enhanced(np.stack([noise(1), noise(2)]), frames)
    image.NumberOfFrames = 3
    return save(image, folder / "bad.dcm")


@bad("how many images it holds was removed")
def mosaic_without_its_number(folder: Path) -> Path:
    return _dicom(folder, ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"])


@bad("does not divide")
def mosaic_that_does_not_divide(folder: Path) -> Path:
    image = mr_image(noise(1, 50, 50), ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"])
    image.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 9)
    return save(image, folder / "bad.dcm")


@bad("NaN or infinite")
def float_pixels_with_nan(folder: Path) -> Path:
    image = mr_image(noise(1), BitsAllocated=32, BitsStored=32, HighBit=31)
    del image.PixelData
    values = np.full((24, 20), 3, np.float32)
    values[0, :3] = [np.nan, np.inf, -np.inf]
    image.FloatPixelData = values.tobytes()
    return save(image, folder / "bad.dcm")


def _compressed(image: object, folder: Path, syntax: str, frame: bytes) -> Path:
    image.PixelData = encapsulate([frame])  # type: ignore[attr-defined]
    image["PixelData"].VR = "OB"  # type: ignore[index]
    image.file_meta.TransferSyntaxUID = syntax  # type: ignore[attr-defined]
    return save(image, folder / "bad.dcm")  # type: ignore[arg-type]


@bad("JPEG 2000.*cannot be decoded")
def garbage_for_jpeg2000(folder: Path) -> Path:
    return _compressed(mr_image(noise(1)), folder, JPEG2000Lossless, b"\xff\x4f\xff\x51" + bytes(60))


@bad("RLE Lossless.*cannot be decoded")
def garbage_for_rle(folder: Path) -> Path:
    return _compressed(mr_image(noise(1)), folder, RLELossless, b"\x01\x00\x00\x00" + bytes(30))


@bad("RLE Lossless.*cannot be decoded")
def rle_that_makes_the_decoder_panic(folder: Path) -> Path:
    """Two segments that unpack to more than a frame: pylibjpeg-rle panics, and that is no Exception."""
    run = bytes([129, 7]) * 8  # 8 runs of 128 bytes where 480 are wanted
    frame = struct.pack("<16I", 2, 64, 64 + len(run), *[0] * 13) + run + run
    return _compressed(mr_image(noise(1)), folder, RLELossless, frame)


@bad("MPEG2.*MIQA cannot read")
def video(folder: Path) -> Path:
    return _compressed(mr_image(noise(1)), folder, MPEG2MPML, bytes(64))


@bad("no position or orientation, so its place among the 3 images")
def several_images_without_place(folder: Path) -> Path:
    slices(folder, [0, 3, 6], ImagePositionPatient=None)
    return folder


@bad("no position or orientation")
def several_images_without_orientation(folder: Path) -> Path:
    slices(folder, [0, 3], ImageOrientationPatient=[0, 0, 0, 0, 0, 0])
    return folder


@bad("Key Object Selection")
def key_object(folder: Path) -> Path:
    return _dicom(folder, SOPClassUID=KeyObjectSelectionDocumentStorage, Rows=None, Columns=None)


@bad("Encapsulated PDF")
def encapsulated_pdf(folder: Path) -> Path:
    return _dicom(folder, SOPClassUID=EncapsulatedPDFStorage, Rows=None, Columns=None)


@bad("Raw Data")
def raw_data(folder: Path) -> Path:
    return _dicom(folder, SOPClassUID=RawDataStorage)


# ---- NIfTI


@bad("not a NIfTI file")
def text_named_nii(folder: Path) -> Path:
    return _write(folder / "bad.nii", b"words " * 100)


@bad("not a NIfTI file")
def text_named_nii_gz(folder: Path) -> Path:
    return _write(folder / "bad.nii.gz", b"words " * 100)


@bad("not a NIfTI file")
def truncated_gz(folder: Path) -> Path:
    return _cut(_nifti(folder, VOLUME, "bad.nii.gz"))


@bad("is cut short")
def truncated_nii(folder: Path) -> Path:
    return _cut(_nifti(folder, VOLUME))


@bad("is cut short: it holds 6400 of")
def nii_claims_too_much(folder: Path) -> Path:
    content = bytearray(_nifti(folder, VOLUME).read_bytes())
    struct.pack_into("<8h", content, 40, 3, 30000, 30000, 100, 1, 1, 1, 1)
    return _write(folder / "bad.nii", bytes(content))


@bad("far too small to hold")
def nii_gz_claims_too_much(folder: Path) -> Path:
    return _write(folder / "bad.nii.gz", gzip.compress(nii_claims_too_much(folder).read_bytes()))


@bad("2 of 1600 voxels that are NaN or infinite")
def nii_with_nan(folder: Path) -> Path:
    data = VOLUME.copy()
    data[3, 4, 1], data[5, 5, 2] = np.nan, np.inf
    return _nifti(folder, data)


@bad("has 5 dimensions")
def nii_of_five_dimensions(folder: Path) -> Path:
    return _nifti(folder, np.zeros((20, 20, 3, 2, 3), np.float32))


@bad("colour")
def nii_of_colour(folder: Path) -> Path:
    return _nifti(folder, np.zeros((20, 20, 3), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])))


@bad("complex")
def nii_of_complex_numbers(folder: Path) -> Path:
    return _nifti(folder, VOLUME.astype(np.complex64))


@bad("too small")
def nii_too_small(folder: Path) -> Path:
    return _nifti(folder, VOLUME[:8])


@bad("no voxels|not a NIfTI")
def nii_with_no_slices(folder: Path) -> Path:
    return _nifti(folder, np.zeros((20, 20, 0), np.float32))


@bad("missing|not a NIfTI|not there")
def hdr_without_img(folder: Path) -> Path:
    nibabel.save(nibabel.Nifti1Pair(VOLUME, np.eye(4)), folder / "bad.hdr")
    (folder / "bad.img").unlink()
    return folder / "bad.hdr"


# ---- NRRD, MetaImage


@bad("not an image file")
def text_named_nrrd(folder: Path) -> Path:
    return _write(folder / "bad.nrrd", b"words " * 100)


@bad("is cut short")
def truncated_nrrd(folder: Path) -> Path:
    return _cut(_itk(folder, VOLUME.T, "bad.nrrd"))


@bad("is cut short")
def truncated_mha(folder: Path) -> Path:
    return _cut(_itk(folder, VOLUME.T, "bad.mha"))


@bad("is cut short")
def nrrd_claims_too_much(folder: Path) -> Path:
    path = _itk(folder, VOLUME.T, "bad.nrrd")
    return _write(path, path.read_bytes().replace(b"sizes: 20 20 4", b"sizes: 60000 60000 4"))


@bad("bad.raw, which is missing")
def mhd_without_raw(folder: Path) -> Path:
    path = _itk(folder, VOLUME.T, "bad.mhd")
    (folder / "bad.raw").unlink()
    return path


@bad("NaN or infinite")
def nrrd_with_nan(folder: Path) -> Path:
    return _itk(folder, np.where(VOLUME.T > 0.5, np.nan, VOLUME.T), "bad.nrrd")


@bad("3 values a voxel")
def nrrd_of_colour(folder: Path) -> Path:
    return _itk(folder, np.zeros((4, 20, 20, 3), np.uint8), "bad.nrrd", vector=True)


@bad("complex")
def nrrd_of_complex_numbers(folder: Path) -> Path:
    return _itk(folder, VOLUME.T.astype(np.complex64), "bad.nrrd")


@bad("too small")
def mha_too_small(folder: Path) -> Path:
    return _itk(folder, VOLUME.T[:, :4], "bad.mha")


# ---- pictures


@bad("not a picture")
def text_named_png(folder: Path) -> Path:
    return _write(folder / "bad.png", b"words " * 100)


@bad("not a picture")
def truncated_png(folder: Path) -> Path:
    return _cut(_itk(folder, noise(1, 99, 99), "bad.png"))


@bad("not a picture")
def truncated_jpeg(folder: Path) -> Path:
    return _cut(_itk(folder, (noise(1, 99, 99) % 256).astype(np.uint8), "bad.jpg"))


@bad("not a picture")
def text_named_jpeg(folder: Path) -> Path:
    return _write(folder / "bad.jpeg", b"words " * 100)


@bad("too small")
def png_too_small(folder: Path) -> Path:
    return _itk(folder, noise(1, 8, 8), "bad.png")


@bad("claims far more pixels")
def png_claims_too_much(folder: Path) -> Path:
    content = bytearray(_itk(folder, noise(1), "bad.png").read_bytes())
    struct.pack_into(">II", content, 16, 60000, 60000)
    struct.pack_into(">I", content, 29, zlib.crc32(bytes(content[12:29])))
    return _write(folder / "bad.png", bytes(content))


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named_explained_and_has_a_cure(tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str) -> None:
    maker, problem = BAD[name]
    path = maker(tmp_path)
    with pytest.raises(InputError) as caught:
        read_series(path)
    error = caught.value
    message = str(error)
    assert re.search(problem, message)
    assert error.path == path or error.path.parent == path
    assert message.startswith(f"{error.path}: ")
    assert message.endswith(f"; {error.cure}")
    assert len(error.cure) > 8
    assert "\n" not in message
    assert not re.search(r"Traceback|\b[A-Z]\w+Error\b|Exception|0x[0-9a-f]{6}|object at", message)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("name", BAD)
def test_the_command_says_it_in_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str) -> None:
    path = BAD[name][0](tmp_path)
    status, out, err = cli_stand_ins.run(capfd, "score", path, "--device", "cpu")
    assert (status, out) == (1, "")
    lines = [line for line in err.splitlines() if line.startswith("miqanet:")]
    assert len(lines) == 1
    assert path.name in lines[0]
    assert "Traceback" not in err


def test_the_table_is_long_enough() -> None:
    assert len(BAD) >= 45


def test_a_missing_decoder_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(get_decoder(JPEGLSLossless)), "is_available", False)
    path = str(get_testdata_file("MR_small_jpeg_ls_lossless.dcm"))
    with pytest.raises(InputError, match=re.escape("JPEG-LS Lossless") + r".*; pip install pylibjpeg\[all\]"):
        read_series(path)


_AS_NOBODY = """
import os, sys
from pathlib import Path
from miqanet_core.readers import scan
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
result = scan(Path(sys.argv[1]))
for failure in result.failures:
    print(failure)
print(len(result.series))
"""


@pytest.mark.parametrize("closed", ["bad.dcm", "bad.nii", "sub"])
def test_permission_denied(tmp_path: Path, closed: str) -> None:
    """In a child process that gives up being root: root may read everything."""
    folder = tmp_path / "data"
    save(mr_image(noise(1)), folder / "good.dcm")
    (folder / "sub").mkdir()
    save(mr_image(noise(2), SeriesInstanceUID="1.2.99"), folder / "bad.dcm")
    _nifti(folder, VOLUME)
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(0o755)
    (folder / closed).chmod(0)
    child = subprocess.run([sys.executable, "-c", _AS_NOBODY, str(folder)], capture_output=True, text=True, check=False)
    (folder / closed).chmod(0o755)
    if child.returncode:
        pytest.skip(f"no child process without root's rights can be run here: {child.stderr.strip()[-200:]}")
    lines = child.stdout.splitlines()
    assert lines[0].startswith(f"{folder / closed}: may not be read (permission denied); ")
    assert int(lines[-1]) == (3 if closed == "sub" else 2)


@pytest.mark.parametrize("name", ["a.dcm", "a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.png", "a.jpg"])
def test_damaged_bytes_never_raise_anything_else(tmp_path: Path, name: str) -> None:
    """Bytes of the header changed by chance: the file reads, or it is an InputError."""
    path = tmp_path / name
    if name == "a.dcm":
        save(mr_image(noise(1)), path)
    elif ".nii" in name:
        _nifti(tmp_path, VOLUME, name)
    else:
        _itk(tmp_path, (VOLUME.T * 255).astype(np.uint8)[0 if name.endswith("g") else slice(None)], name)
    good = path.read_bytes()
    chance = np.random.default_rng(7)
    for _ in range(60):
        damaged = bytearray(good)
        for place in chance.integers(0, min(len(good), 1500), 6):
            damaged[place] = chance.integers(0, 256)
        path.write_bytes(bytes(damaged))
        result = scan(path)
        assert len(result.series) + len(result.failures) >= 1


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    slices(tmp_path, [0, 3])
    (tmp_path / "again").symlink_to(tmp_path)
    assert read_series(tmp_path).size == (20, 24, 2)


def test_all_bad_files_in_one_folder_do_not_hurt_the_good_one(tmp_path: Path) -> None:
    good = tmp_path / "all" / "good"
    _nifti(_made(good), VOLUME, "good.nii")
    for name, (maker, _) in BAD.items():
        if name not in ("path_too_long", "path_below_a_file", "missing_path", "dicom_cut_by_a_scanner"):
            maker(_made(tmp_path / "all" / name))
    result = scan(tmp_path / "all")
    assert "good" in [series.description for series in result.series]
    assert len(result.failures) > 20
    assert sum(result.skipped.values()) > 5
    with pytest.raises(InputError):
        read_all_series(tmp_path / "all")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
