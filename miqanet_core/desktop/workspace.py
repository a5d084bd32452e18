"""Where the window and its worker processes meet: a folder with every opened series as a file that can be mapped into memory.

Reading and scoring happen in processes of their own; what they find is too large for a pipe. The folder is private to the user,
for the identity of the patient is in it, and goes when the window closes (see ``private_folder``).
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from miqanet_core.errors import InputError
from miqanet_core.report.files import write_file
from miqanet_core.series import Geometry, Identity, MRSeries

MAP = "map.npy"


def save_series(folder: Path, number: int, series: MRSeries) -> None:
    """Write a series as ``series-NUMBER.npy`` and ``.json``; InputError when the disk does not hold it."""
    facts = {
        "geometry": series.geometry and asdict(series.geometry),
        "description": series.description,
        "modality": series.modality,
        "facts": dict(series.facts),
        "identity": asdict(series.identity),
        "sources": [str(path) for path in series.sources],
        "notes": list(series.notes),
    }
    save_array(_array(folder, number), series.voxels)
    write_file(_facts(folder, number), json.dumps(facts))


def load_series(folder: Path, number: int) -> MRSeries:
    """The inverse of :func:`save_series`; the voxels stay on the disk until they are looked at, and cannot be changed."""
    facts = json.loads(_facts(folder, number).read_text(encoding="utf-8"))
    geometry = facts["geometry"]
    if geometry:
        directions = tuple(tuple(row) for row in geometry["direction"])
        geometry = Geometry(tuple(geometry["spacing"]), tuple(geometry["origin"]), directions)
    identity = Identity(**{**facts["identity"], "instance_uids": tuple(facts["identity"]["instance_uids"])})
    return MRSeries(
        voxels=np.load(_array(folder, number), mmap_mode="r"),
        geometry=geometry,
        description=facts["description"],
        modality=facts["modality"],
        facts=facts["facts"],
        identity=identity,
        sources=tuple(Path(path) for path in facts["sources"]),
        notes=tuple(facts["notes"]),
    )


def save_array(path: Path, values: np.ndarray) -> None:
    """Write an array as a ``.npy`` file; InputError when that fails."""
    try:
        np.save(path, values)
    except OSError as error:
        raise InputError(path, f"cannot be written ({error.strerror or error})", "free some space or set TMPDIR") from error


def _array(folder: Path, number: int) -> Path:
    return folder / f"series-{number}.npy"


def _facts(folder: Path, number: int) -> Path:
    return folder / f"series-{number}.json"
