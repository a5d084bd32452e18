"""Measures of image quality that are no network: with a reference and without."""

from miqanet_core.metrics.metric import FITTED_TO_MR, Metric
from miqanet_core.metrics.registry import compute, info, names

__all__ = ["FITTED_TO_MR", "Metric", "compute", "info", "names"]
