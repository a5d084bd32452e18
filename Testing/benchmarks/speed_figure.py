"""How time and memory grow, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402

# Of each panel: the setting, its key and label, and the measure with its label.
_PANELS = (
    ("slices", "slices", "slices of 256 x 256", "seconds", "seconds"),
    ("matrix", "side", "rows and columns of a slice", "tiles_per_s", "tiles a second"),
    ("batch", "batch", "tiles in a batch", "tiles_per_s", "tiles a second"),
    ("series", "series", "small series in one command", "seconds", "seconds"),
)


def draw(growth: Mapping[str, Sequence[Mapping[str, Any]]], path: Path) -> None:
    """A panel for each setting: speed on the left axis, peak memory on the right one."""
    figure, axes = pyplot.subplots(1, len(_PANELS), figsize=(4.2 * len(_PANELS), 3.4), layout="constrained")
    for left, (setting, key, label, measure, unit) in zip(axes, _PANELS, strict=True):
        rows = growth[setting]
        left.plot([row[key] for row in rows], [row[measure] for row in rows], "o-", color="tab:blue")
        left.set(xlabel=label, ylim=(0, None))
        left.set_ylabel(unit, color="tab:blue")
        right = left.twinx()
        right.plot([row[key] for row in rows], [row["peak_mib"] for row in rows], "s--", color="tab:orange")
        right.set(ylim=(0, None))
        right.set_ylabel("peak memory, MiB", color="tab:orange")
    figure.savefig(path)
    pyplot.close(figure)
