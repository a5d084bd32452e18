"""From a result to the DICOM objects that tell of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum

from pydicom.dataset import Dataset

from miqanet_core.dicom.identity import uid_of
from miqanet_core.dicom.key_objects import quality_flag
from miqanet_core.dicom.montage import montage
from miqanet_core.dicom.quality_report import quality_report
from miqanet_core.dicom.sources import SourceImages, hush
from miqanet_core.policy import Policy
from miqanet_core.quality import SeriesQuality
from miqanet_core.series import MRSeries


class Kind(str, Enum):
    """The objects that can be written back."""

    REPORT = "report"  # Comprehensive SR
    FLAG = "flag"  # Key Object Selection, only of a flagged series
    MONTAGE = "montage"  # Secondary Capture, only of a series with a score


ALWAYS = frozenset({Kind.REPORT, Kind.FLAG})


@hush()
def results_of(
    quality: SeriesQuality,
    series: MRSeries,
    headers: Sequence[Dataset],
    *,
    kinds: Collection[Kind] = ALWAYS,
    policy: Policy | None = None,
    version: int = 1,
) -> dict[Kind, Dataset]:
    """The objects of ``kinds`` that there are for this result, ready to be saved or sent, in explicit VR little endian.

    ``series`` is what was scored, with its ``slice_sources``; ``headers`` the headers of all its images, in any order, more do
    no harm. ``policy``: by whose thresholds the verdict was found, the shipped ones when None. ``version`` counts the results
    of one series (1, then 2 when a late image came).

    UIDs follow from the series, the stack (echo, phase, ...), the model, the version and the kind: the same call makes objects
    that replace those of the last, another version's stand beside them. An object not due is left out: no flag without a flag,
    no montage without a score. ValueError when a header is missing or has no UIDs, or a montage is wanted and the quality map
    was not kept.
    """
    policy = policy or Policy.default()
    if len(series.slice_sources) != len(quality.slices):
        raise ValueError(f"{len(quality.slices)} slices were scored but {len(series.slice_sources)} are known by their images")
    images = SourceImages.of(headers).of_slices(series.slice_sources)
    stack = str(quality.series.get("description", ""))

    def uids(kind: Kind) -> tuple[str, str]:
        of_series = (images.series_uid, kind.value)
        return uid_of(*of_series), uid_of(*of_series, stack, quality.model.weights_sha256, str(version))

    made: dict[Kind, Dataset] = {}
    if Kind.REPORT in kinds:
        made[Kind.REPORT] = quality_report(quality, images, series.slice_sources, policy, uids(Kind.REPORT))
    if Kind.FLAG in kinds and quality.flagged:
        made[Kind.FLAG] = quality_flag(quality, images, series.slice_sources, policy, uids(Kind.FLAG))
    if Kind.MONTAGE in kinds and quality.score is not None:
        made[Kind.MONTAGE] = montage(quality, series, images, uids(Kind.MONTAGE))
    return made
