"""A series with given scores, judged by the policy, as the scorer would hand it over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from miqanet_core.policy import Policy
from miqanet_core.quality import Interval, ModelIdentity, Normal, SeriesQuality, SliceQuality
from miqanet_core.series import MRSeries

MODEL = ModelIdentity("stand_in", "0.0", "0123456789abcdef" * 4)


def judged(
    series: MRSeries,
    scores: Sequence[float | None],
    artifacts: Mapping[int, Mapping[str, float]] | None = None,
    refusal: str | None = None,
    policy: Policy | None = None,
    normal: Normal | None = None,
) -> SeriesQuality:
    """``scores`` of its slices, ``artifacts`` by slice index, ``refusal``: why it is not assessed."""
    judgement = (policy or Policy.default()).judge(scores, refusal, normal)
    shown = [None if refusal else score for score in scores]
    return SeriesQuality(
        series={"description": series.description, "modality": series.modality, "size": list(series.size), "notes": []},
        model=MODEL,
        score=judgement.score,
        verdict=judgement.verdict,
        flagged=judgement.flagged,
        reasons=judgement.reasons,
        slices=tuple(
            SliceQuality(i, score, flag, (artifacts or {}).get(i, {}))
            for i, (score, flag) in enumerate(zip(shown, judgement.slice_flags, strict=True))
        ),
        interval=None if judgement.score is None else Interval(judgement.score - 10, min(100.0, judgement.score + 8), 0.9),
        normal=normal,
        map=np.stack([np.full(series.voxels.shape[1:], np.nan if s is None else s, np.float32) for s in shown]),
    )
