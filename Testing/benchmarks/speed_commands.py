"""Runs what is measured: parts in a Python process of their own, and ``miqanet`` as its user does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "Testing" / "unit"))

from mr_samples import slice_like  # noqa: E402

_ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])}
_MIQANET = "from miqanet_core.cli import main; main()"


def in_own_process(part: str, **options: Any) -> dict[str, Any]:
    """What the function of this name in ``speed_parts`` gives in a fresh process."""
    command = [sys.executable, str(Path(__file__).with_name("speed_parts.py")), part, json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_ENVIRONMENT)
    if done.returncode:
        raise SystemExit(f"error: {part} {options} failed: {(done.stderr.strip() or '?').splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def run_miqanet(*arguments: str | Path) -> dict[str, float]:
    """Seconds of a ``miqanet`` command, seconds to its first scored slice, and MiB of its peak memory."""
    began = time.perf_counter()
    command = [sys.executable, "-c", _MIQANET, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_ENVIRONMENT)
    assert process.stdout is not None
    assert process.stderr is not None
    first = None
    for line in process.stdout:
        if first is None and '"event": "slice"' in line:
            first = time.perf_counter() - began
    complaint = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"error: miqanet {' '.join(map(str, arguments))}: {complaint.strip()}")
    peak = usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    return {"seconds": time.perf_counter() - began, "peak_mib": peak, **({} if first is None else {"first_s": first})}


def dicom_series(folder: Path, slices: int, side: int = 256, number: int = 0) -> Path:
    """A series of ``slices`` files with the header of a real MR image."""
    folder.mkdir(parents=True, exist_ok=True)
    dataset = pydicom.dcmread(get_testdata_file("MR_small.dcm"))
    del dataset.SmallestImagePixelValue, dataset.LargestImagePixelValue
    dataset.Rows = dataset.Columns = side
    dataset.PixelSpacing, dataset.ImageOrientationPatient = [1, 1], [1, 0, 0, 0, 1, 0]
    dataset.SeriesInstanceUID, dataset.SeriesNumber = generate_uid(), number
    few = [slice_like(side, side, seed).clip(0, 4000).astype(np.uint16).tobytes() for seed in range(min(8, slices))]
    for index in range(slices):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.InstanceNumber, dataset.ImagePositionPatient = index + 1, [0, 0, index]
        dataset.PixelData = few[index % len(few)]
        dataset.save_as(folder / f"{index:04}.dcm", enforce_file_format=True)
    return folder


def small_series(folder: Path, count: int) -> None:
    """Fill the folder up to ``count`` series of two slices of 128 x 128."""
    template = folder.parent / "template"
    if not template.is_dir():
        dicom_series(template, 2, 128)
    for number in range(count):
        target = folder / f"{number:05}"
        if not target.is_dir():
            shutil.copytree(template, target)
            uid = generate_uid()
            for file in target.iterdir():
                dataset = pydicom.dcmread(file)
                dataset.SeriesInstanceUID, dataset.SeriesNumber = uid, number
                dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
                dataset.save_as(file, enforce_file_format=True)
