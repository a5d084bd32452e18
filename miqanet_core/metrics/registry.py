"""All measures by name: what each is, which way it points, what it needs; and one function that computes any of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Literal

from torch import Tensor

from miqanet_core.metrics.full_reference.haarpsi import haarpsi
from miqanet_core.metrics.no_reference.brisque import brisque
from miqanet_core.metrics.no_reference.cjv_like import cjv_like
from miqanet_core.metrics.no_reference.efc import efc
from miqanet_core.metrics.no_reference.fber import fber
from miqanet_core.metrics.no_reference.gradient_entropy import gradient_entropy
from miqanet_core.metrics.no_reference.niqe import niqe
from miqanet_core.metrics.no_reference.piqe import piqe
from miqanet_core.metrics.no_reference.snr import snr
from miqanet_core.metrics.no_reference.snr_dietrich import snr_dietrich

Kind = Literal["full_reference", "no_reference"]

# Red, green and blue in luminance: ITU-R BT.601, as MATLAB's rgb2gray.
LUMINANCE = (0.298936, 0.587043, 0.114021)


@dataclass(frozen=True)
class Metric:
    """One measure.

    ``function`` takes grey images (B, 1, H, W) in 0..1, full-reference ones the references after them, and gives (B,).
    ``better``: which values are the good ones. ``lowest``, ``highest``: the range of values. ``least_size``: shorter and longer
    side in pixels. ``colour``: colour images are scored by their luminance, as the authors do; otherwise they are refused.
    ``even``: both sides must be even.
    """

    name: str
    kind: Kind
    function: Callable[..., Tensor]
    better: Literal["higher", "lower"]
    lowest: float
    highest: float
    least_size: tuple[int, int] = (16, 16)
    colour: bool = False
    even: bool = False

    def fits(self, rows: int, columns: int) -> bool:
        """Whether images of this size are large enough."""
        return min(rows, columns) >= self.least_size[0] and max(rows, columns) >= self.least_size[1]


_METRICS = {
    metric.name: metric
    for metric in (
        Metric("haarpsi", "full_reference", haarpsi, "higher", 0, 1, even=True),
        Metric("niqe", "no_reference", niqe, "lower", 0, inf, least_size=(96, 192), colour=True),
        Metric("brisque", "no_reference", brisque, "lower", -inf, inf, colour=True),
        Metric("piqe", "no_reference", piqe, "lower", 0, 100, colour=True),
        Metric("snr", "no_reference", snr, "higher", 0, inf),
        Metric("snr_dietrich", "no_reference", snr_dietrich, "higher", 0, inf),
        Metric("fber", "no_reference", fber, "higher", 0, inf),
        Metric("efc", "no_reference", efc, "lower", 0, 1),
        Metric("cjv_like", "no_reference", cjv_like, "lower", 0, inf),
        Metric("gradient_entropy", "no_reference", gradient_entropy, "lower", 0, 1),
    )
}


def names(kind: Kind | None = None) -> tuple[str, ...]:
    """The measures that :func:`compute` knows: all, or those of one kind."""
    return tuple(name for name, metric in _METRICS.items() if kind in (None, metric.kind))


def info(name: str) -> Metric:
    """What the measure is and needs. Raises ValueError for an unknown name."""
    if name not in _METRICS:
        raise ValueError(f"no metric is called {name!r}; there are {', '.join(names())}")
    return _METRICS[name]


def compute(name: str, distorted: Tensor, reference: Tensor | None = None) -> Tensor:
    """Measure ``name`` of images (B, 1|3, H, W) in 0..1 -> (B,), of the images' dtype.

    ``reference``: what full-reference measures compare with, of the same shape; the others take none. NaN where a measure is
    not defined: its docstring says when. Raises ValueError for an unknown name and for images of another shape, type, range or
    size than the measure needs; ModelError when a published model it rests on is not installed.
    """
    metric = info(name)
    if (reference is None) != (metric.kind == "no_reference"):
        raise ValueError(f"{name} {'needs a reference' if reference is None else 'takes no reference'}")
    if reference is None:
        return metric.function(_grey(metric, distorted)).to(distorted.dtype)
    if reference.shape != distorted.shape:
        raise ValueError(f"{name}: the reference is {tuple(reference.shape)}, the images are {tuple(distorted.shape)}")
    return metric.function(_grey(metric, distorted), _grey(metric, reference)).to(distorted.dtype)


def _grey(metric: Metric, images: Tensor) -> Tensor:
    """The images (B, 1, H, W) as the measure takes them; ValueError when it cannot."""
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not len(images):
        raise ValueError(f"{metric.name}: images must be (B, 1|3, H, W), got {tuple(images.shape)}")
    if not images.is_floating_point():
        raise ValueError(
            f"{metric.name}: images must be floating point in 0..1, got {images.dtype}; divide by the largest value"
        )
    rows, columns = images.shape[-2:]
    if not metric.fits(rows, columns):
        shorter, longer = metric.least_size
        raise ValueError(f"{metric.name}: images must be {shorter} x {longer} pixels at least, got {rows} x {columns}")
    if metric.even and (rows % 2 or columns % 2):
        raise ValueError(f"{metric.name}: both sides must be even, got {rows} x {columns}; crop the images")
    low, high = (float(x) for x in images.detach().aminmax())
    if not (low >= 0 and high <= 1):
        raise ValueError(f"{metric.name}: images must be in 0..1, got {low:g}..{high:g}; scale them first")
    if images.shape[1] == 1:
        return images
    if metric.colour:
        return (images * images.new_tensor(LUMINANCE)[:, None, None]).sum(1, keepdim=True)
    if not (images == images[:, :1]).all():
        raise ValueError(f"{metric.name}: is defined for grey images, and these have colours")
    return images[:, :1]
