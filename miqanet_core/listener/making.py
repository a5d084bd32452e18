"""The objects that are written back, made from the files that they speak of; called in the sandbox only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from miqanet_core.dicom import Kind, headers_of, rejection_of, results_of
from miqanet_core.listener.reading import series_of_files
from miqanet_core.policy import Policy
from miqanet_core.quality import SeriesQuality


def made_objects(
    paths: list[Path], stacks: list[tuple[dict[str, Any], Path]], montage: bool, policy: Policy, version: int
) -> list[Dataset]:
    """Report, flag and, if wanted, montage of every stack. ``stacks``: each one's document and map file."""
    kinds = {Kind.REPORT, Kind.FLAG} | ({Kind.MONTAGE} if montage else set())
    made: list[Dataset] = []
    for series, (document, map_file) in zip(series_of_files(paths), stacks, strict=True):
        quality = SeriesQuality.from_dict(document)
        if montage:
            with np.load(map_file, allow_pickle=False) as values:
                quality = replace(quality, map=values["map"])
        made += results_of(quality, series, headers_of(series), kinds=kinds, policy=policy, version=version).values()
    return made


def made_rejection(
    paths: list[Path], documents: list[dict[str, Any]], person: str, comment: str, version: int
) -> list[Dataset]:
    """The rejection of all images of the series, in the name of a person."""
    headers = [header for series in series_of_files(paths) for header in headers_of(series)]
    unique = list({str(header.SOPInstanceUID): header for header in headers}.values())
    return [rejection_of(SeriesQuality.from_dict(documents[0]), unique, person, comment, version)]
