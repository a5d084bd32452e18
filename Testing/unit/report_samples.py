"""Small hand-made series and results for the tests of reports and of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from judged import judged
from miqanet_core.policy import Policy
from miqanet_core.quality import Normal, SeriesQuality
from miqanet_core.series import Geometry, Identity, MRSeries

# A double oblique with unequal spacing: columns, rows and slices all run along no axis of the patient.
_TURN = np.linalg.qr(np.array([[0.9, 0.3, -0.2], [-0.2, 0.8, 0.5], [0.3, -0.4, 0.9]]))[0]
OBLIQUE = Geometry((0.7, 1.1, 3.3), (-31.0, 12.5, 87.25), tuple(tuple(map(float, row)) for row in _TURN))


def make_series(
    scores: Sequence[float | None] = (80.0, 70.0, 90.0),
    description: str = "t2_tse_ax",
    geometry: Geometry | None = OBLIQUE,
    modality: str = "MR",
) -> MRSeries:
    """A series of 12 x 16 slices with a square in each, whose value is the score that it shall get."""
    voxels = np.zeros((len(scores), 12, 16), np.float32)
    for index, score in enumerate(scores):
        voxels[index, 3:9, 4:12] = score or 0.0
    identity = Identity("PID-7734", "Curie^Marie", "1.2.3", "1.2.3.4", ("1.2.3.4.5",))
    return MRSeries(voxels, geometry, description, modality, {"manufacturer": "ACME"}, identity, (), ("2 slices are missing",))


def assess(
    series: MRSeries, policy: Policy | None = None, artifacts: Sequence[dict[str, float]] = (), normal: Normal | None = None
) -> SeriesQuality:
    """The result of a series of :func:`make_series`: each slice's score is the value of its square."""
    scores = [float(image.max()) or None for image in series.voxels]
    refusal = None if series.modality == "MR" else "This is no MR series."
    quality = judged(series, scores, dict(enumerate(artifacts)), refusal, policy, normal)
    return replace(quality, interval=None, map=np.where(series.voxels > 0, series.voxels, np.nan).astype(np.float32))
