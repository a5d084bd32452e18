"""What a measure is and needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

Kind = Literal["full_reference", "no_reference"]
# Where parameters come from that are not the authors'.
FITTED_TO_MR, FITTED_TO_PHOTOGRAPHS = "fitted to MR here", "fitted to photographs here"
SET_HERE = "constants set here"


@dataclass(frozen=True)
class Metric:
    """One measure.

    ``function`` takes images in 0..1, full-reference ones the references after them, and gives (B,).
    ``better``: which values are the good ones. ``lowest``, ``highest``: the range of values. ``least_size``: shorter and longer
    side in pixels. ``colour``: what becomes of colour images: they are refused, or scored by their luminance, as the authors
    do, or the function takes them whole, and grey images as three equal channels. ``even``: both sides must be even.
    ``origin``: whence its parameters come, for every table that shows it; "published": they are the authors'.
    """

    name: str
    kind: Kind
    function: Callable[..., Tensor]
    better: Literal["higher", "lower"]
    lowest: float
    highest: float
    least_size: tuple[int, int] = (16, 16)
    colour: Literal["refused", "luminance", "whole"] = "refused"
    even: bool = False
    origin: str = "published"

    def fits(self, rows: int, columns: int) -> bool:
        """Whether images of this size are large enough."""
        return min(rows, columns) >= self.least_size[0] and max(rows, columns) >= self.least_size[1]
