"""What measures without a reference that are no network make of the images that a model is judged on."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from miqanet_core import metrics
from miqanet_core.metrics.no_reference.niqe import fit_niqe, niqe
from miqanet_core.transforms import normalise

# What needs no fitting of ours. The shipped fits may know the very subjects that are judged on, so NIQE is fitted anew instead.
READY = tuple(name for name in metrics.names("no_reference") if metrics.info(name).origin != metrics.FITTED_TO_MR)
REFITTED = "niqe_mr"


def as_grey(image: np.ndarray) -> Tensor:
    """A slice (rows, columns) of any intensity scale, normalised: float32 (1, 1, rows, columns) in 0..1."""
    return torch.from_numpy(normalise(image[None]))[None]


def measured(images: Sequence[np.ndarray], pristine: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Every metric in READY, and NIQE refitted, of slices of any size and scale, each (N,), turned so that higher is better.

    ``pristine``: clean slices that NIQE is refitted to, of subjects other than those of ``images``. NaN where a metric is not
    defined or the slice too small for it.
    """
    model = fit_niqe(grey for grey in map(as_grey, pristine) if metrics.info("niqe").fits(*grey.shape[-2:]))
    found: dict[str, list[float]] = {name: [] for name in (*READY, REFITTED)}
    for grey in map(as_grey, images):
        size = grey.shape[-2:]
        for name in READY:
            metric = metrics.info(name)
            value = float(metrics.compute(name, grey)) if metric.fits(*size) else np.nan
            found[name].append(value if metric.better == "higher" else -value)
        found[REFITTED].append(-float(niqe(grey, model)) if metrics.info("niqe").fits(*size) else np.nan)
    return {name: np.array(values) for name, values in found.items()}


def compare(
    images: Sequence[np.ndarray], groups: Sequence[str], teacher: np.ndarray, pristine: Sequence[np.ndarray]
) -> list[dict[str, Any]]:
    """How each metric without a reference ranks slices as the teacher does, best first.

    ``images``: N slices (rows, columns), any size and intensity scale; ``groups``: of which subject each is; ``teacher``
    (N,): higher is better; ``pristine``: see :func:`measured`. A row holds ``metric``; ``srocc``, the median over groups of
    Spearman's correlation with the teacher; ``by_group``, that of each; ``undefined``, how many images the metric has no
    value for: they are left out, in its favour. A group with fewer than three values, or all of one value, has NaN and
    counts as 0. Raises ValueError when the lengths differ, or when ``pristine`` is too little to fit.
    """
    if not len(images) == len(groups) == len(teacher):
        raise ValueError(
            f"{len(images)} images, {len(groups)} groups and {len(teacher)} scores of the teacher: must be as many"
        )
    of_group = {group: np.array([g == group for g in groups]) for group in dict.fromkeys(groups)}
    rows = []
    for name, values in measured(images, pristine).items():
        defined = np.isfinite(values)
        by_group = {
            group: rank_agreement(values[which & defined], teacher[which & defined]) for group, which in of_group.items()
        }
        rows.append(
            {
                "metric": name,
                "srocc": median(float(np.nan_to_num(srocc)) for srocc in by_group.values()),
                "by_group": by_group,
                "undefined": int((~defined).sum()),
            }
        )
    return sorted(rows, key=lambda row: -row["srocc"])


def rank_agreement(values: np.ndarray, teacher: np.ndarray) -> float:
    """Spearman's correlation; NaN for fewer than three values, or when either is constant."""
    if len(values) < 3 or not np.ptp(values) or not np.ptp(teacher):
        return float("nan")
    return float(spearmanr(values, teacher).statistic)
