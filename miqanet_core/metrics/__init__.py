"""Measures of image quality that are no network: with a reference and without."""

from miqanet_core.metrics.registry import Metric, compute, info, names

__all__ = ["Metric", "compute", "info", "names"]
