"""All measures by name: what each is, which way it points, what it needs; and one function that computes any of them."""

from __future__ import annotations

from functools import partial
from math import inf
from pathlib import Path

from torch import Tensor

from miqanet_core.metrics.full_reference.cw_ssim import cw_ssim
from miqanet_core.metrics.full_reference.dss import dss
from miqanet_core.metrics.full_reference.fsim import fsim
from miqanet_core.metrics.full_reference.gmsd import gmsd
from miqanet_core.metrics.full_reference.gsm import gsm
from miqanet_core.metrics.full_reference.haarpsi import haarpsi
from miqanet_core.metrics.full_reference.ifc import ifc
from miqanet_core.metrics.full_reference.iw_ssim import iw_ssim
from miqanet_core.metrics.full_reference.mad import mad
from miqanet_core.metrics.full_reference.mdsi import mdsi
from miqanet_core.metrics.full_reference.ms_gmsd import ms_gmsd
from miqanet_core.metrics.full_reference.ms_ssim import ms_ssim
from miqanet_core.metrics.full_reference.nlpd import nlpd
from miqanet_core.metrics.full_reference.nqm import nqm
from miqanet_core.metrics.full_reference.psim import psim
from miqanet_core.metrics.full_reference.psnr import psnr
from miqanet_core.metrics.full_reference.psnr_hvs import psnr_hvs
from miqanet_core.metrics.full_reference.psnr_hvs_m import psnr_hvs_m
from miqanet_core.metrics.full_reference.rfsim import rfsim
from miqanet_core.metrics.full_reference.scc import scc
from miqanet_core.metrics.full_reference.sff import sff
from miqanet_core.metrics.full_reference.sr_sim import sr_sim
from miqanet_core.metrics.full_reference.ssim import ssim
from miqanet_core.metrics.full_reference.uqi import uqi
from miqanet_core.metrics.full_reference.vif import vif
from miqanet_core.metrics.full_reference.vifp import vifp
from miqanet_core.metrics.full_reference.vsi import vsi
from miqanet_core.metrics.full_reference.vsnr import vsnr
from miqanet_core.metrics.full_reference.wsnr import wsnr
from miqanet_core.metrics.metric import FITTED_TO_MR, FITTED_TO_PHOTOGRAPHS, SET_HERE, Kind, Metric
from miqanet_core.metrics.no_reference.brisque import brisque
from miqanet_core.metrics.no_reference.cjv_like import cjv_like
from miqanet_core.metrics.no_reference.cnr_like import cnr_like
from miqanet_core.metrics.no_reference.efc import efc
from miqanet_core.metrics.no_reference.fber import fber
from miqanet_core.metrics.no_reference.fitted import read_model
from miqanet_core.metrics.no_reference.ghost_to_signal import gsr_columns, gsr_rows
from miqanet_core.metrics.no_reference.gradient_entropy import gradient_entropy
from miqanet_core.metrics.no_reference.il_niqe import IlNiqeModel, il_niqe, ilniqe_mr
from miqanet_core.metrics.no_reference.mortamet import qi1, qi2
from miqanet_core.metrics.no_reference.niqe import NiqeModel, niqe, niqe_mr
from miqanet_core.metrics.no_reference.piqe import piqe
from miqanet_core.metrics.no_reference.snr import snr
from miqanet_core.metrics.no_reference.snr_dietrich import snr_dietrich
from miqanet_core.metrics.pyiqa_adapter import pyiqa_metric

# Red, green and blue in luminance: ITU-R BT.601, as MATLAB's rgb2gray.
LUMINANCE = (0.298936, 0.587043, 0.114021)


_full = partial(Metric, kind="full_reference", colour="luminance")
_ours = partial(_full, origin=SET_HERE)
_natural = partial(Metric, kind="no_reference", better="lower", lowest=0, highest=inf)
_niqe = partial(_natural, least_size=(96, 192), colour="luminance")
_il_niqe = partial(_natural, colour="whole")

_METRICS = {
    metric.name: metric
    for metric in (
        _full("psnr", function=psnr, better="higher", lowest=0, highest=inf),
        _full("wsnr", function=wsnr, better="higher", lowest=-inf, highest=inf),
        _full("nqm", function=nqm, better="higher", lowest=-inf, highest=inf),
        _full("uqi", function=uqi, better="higher", lowest=-1, highest=1),
        _full("ssim", function=ssim, better="higher", lowest=-1, highest=1),
        _full("ms_ssim", function=ms_ssim, better="higher", lowest=0, highest=1, least_size=(161, 161)),
        _full("iw_ssim", function=iw_ssim, better="higher", lowest=0, highest=1, least_size=(161, 161)),
        _full("cw_ssim", function=cw_ssim, better="higher", lowest=0, highest=1, least_size=(64, 64)),
        _full("vsnr", function=vsnr, better="higher", lowest=-inf, highest=inf, least_size=(160, 160)),
        _full("ifc", function=ifc, better="higher", lowest=0, highest=inf, least_size=(96, 96)),
        _full("vif", function=vif, better="higher", lowest=0, highest=inf, least_size=(96, 96)),
        _full("vifp", function=vifp, better="higher", lowest=0, highest=inf, least_size=(48, 48)),
        _full("mad", function=mad, better="lower", lowest=0, highest=inf, least_size=(64, 64)),
        _full("fsim", function=fsim, better="higher", lowest=0, highest=1, colour="whole"),
        _ours("rfsim", function=rfsim, better="higher", lowest=-1, highest=1),
        _full("sr_sim", function=sr_sim, better="higher", lowest=0, highest=1, least_size=(32, 32)),
        _full("gsm", function=gsm, better="higher", lowest=0, highest=1),
        _full("gmsd", function=gmsd, better="lower", lowest=0, highest=inf),
        _full("ms_gmsd", function=ms_gmsd, better="lower", lowest=0, highest=inf, least_size=(32, 32)),
        _full("vsi", function=vsi, better="higher", lowest=0, highest=1, colour="whole"),
        _full("mdsi", function=mdsi, better="lower", lowest=0, highest=inf, colour="whole"),
        Metric("haarpsi", "full_reference", haarpsi, "higher", 0, 1, even=True),
        _full("dss", function=dss, better="higher", lowest=-1, highest=1),
        _full("nlpd", function=nlpd, better="lower", lowest=0, highest=inf, least_size=(48, 48)),
        _full("psnr_hvs", function=psnr_hvs, better="higher", lowest=-inf, highest=inf),
        _full("psnr_hvs_m", function=psnr_hvs_m, better="higher", lowest=-inf, highest=inf),
        _ours("psim", function=psim, better="higher", lowest=0, highest=1, least_size=(32, 32), colour="whole"),
        _full("scc", function=scc, better="higher", lowest=-1, highest=1),
        _full("sff", function=sff, better="higher", lowest=-1, highest=1, origin=FITTED_TO_PHOTOGRAPHS),
        _niqe("niqe", function=niqe),
        _niqe("niqe_mr", function=niqe_mr, origin=FITTED_TO_MR),
        _il_niqe("ilniqe_mr", function=ilniqe_mr, origin=FITTED_TO_MR),
        Metric("brisque", "no_reference", brisque, "lower", -inf, inf, colour="luminance"),
        Metric("piqe", "no_reference", piqe, "lower", 0, 100, colour="luminance"),
        Metric("snr", "no_reference", snr, "higher", 0, inf),
        Metric("snr_dietrich", "no_reference", snr_dietrich, "higher", 0, inf),
        Metric("fber", "no_reference", fber, "higher", 0, inf),
        Metric("efc", "no_reference", efc, "lower", 0, 1),
        Metric("cjv_like", "no_reference", cjv_like, "lower", 0, inf),
        Metric("cnr_like", "no_reference", cnr_like, "higher", 0, inf),
        Metric("qi1", "no_reference", qi1, "lower", 0, 1),
        Metric("qi2", "no_reference", qi2, "lower", 0, 1),
        Metric("gsr_rows", "no_reference", gsr_rows, "lower", -inf, inf),
        Metric("gsr_columns", "no_reference", gsr_columns, "lower", -inf, inf),
        Metric("gradient_entropy", "no_reference", gradient_entropy, "lower", 0, 1),
    )
}


def names(kind: Kind | None = None) -> tuple[str, ...]:
    """The measures that :func:`compute` knows: all, or those of one kind."""
    return tuple(name for name, metric in _METRICS.items() if kind in (None, metric.kind))


def info(name: str) -> Metric:
    """What the measure is and needs, of one of :func:`names`, or of one that is not listed since it is not always there:

    ``niqe:FILE`` and ``ilniqe:FILE`` with a model that training/refit_natural_scene.py wrote; ``pyiqa:NAME``, a metric of an
    installed pyiqa. Raises ValueError for an unknown name, ModelError when the model or pyiqa cannot be had.
    """
    kind, colon, rest = name.partition(":")
    if colon and kind == "pyiqa":
        return pyiqa_metric(rest)
    if colon and kind in ("niqe", "ilniqe"):
        return _refitted(name, kind, Path(rest))
    if name not in _METRICS:
        raise ValueError(f"no metric is called {name!r}; there are {', '.join(names())}, niqe:FILE, ilniqe:FILE, pyiqa:NAME")
    return _METRICS[name]


def _refitted(name: str, kind: str, file: Path) -> Metric:
    origin = f"refitted: {file.name}"
    if kind == "niqe":
        return _niqe(name, function=partial(niqe, model=read_model(NiqeModel, file)), origin=origin)
    return _il_niqe(name, function=partial(il_niqe, model=read_model(IlNiqeModel, file)), origin=origin)


def compute(name: str, distorted: Tensor, reference: Tensor | None = None) -> Tensor:
    """Measure ``name``, one that :func:`info` knows, of images (B, 1|3, H, W) in 0..1 -> (B,), of the images' dtype.

    ``reference``: what full-reference measures compare with, of the same shape; the others take none. NaN where a measure is
    not defined: its docstring says when. Raises ValueError for an unknown name and for images of another shape, type, range or
    size than the measure needs; ModelError when a published model it rests on is not installed.
    """
    metric = info(name)
    if (reference is None) != (metric.kind == "no_reference"):
        raise ValueError(f"{name} {'needs a reference' if reference is None else 'takes no reference'}")
    if reference is None:
        return metric.function(_taken(metric, distorted)).to(distorted.dtype)
    if reference.shape != distorted.shape:
        raise ValueError(f"{name}: the reference is {tuple(reference.shape)}, the images are {tuple(distorted.shape)}")
    return metric.function(_taken(metric, distorted), _taken(metric, reference)).to(distorted.dtype)


def _taken(metric: Metric, images: Tensor) -> Tensor:
    """The images as the measure takes them, (B, 1, H, W) or (B, 3, H, W); ValueError when it cannot."""
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
    if metric.colour == "whole":
        return images.expand(-1, 3, -1, -1)
    if images.shape[1] == 1:
        return images
    if metric.colour == "luminance":
        return (images * images.new_tensor(LUMINANCE)[:, None, None]).sum(1, keepdim=True)
    if not (images == images[:, :1]).all():
        raise ValueError(f"{metric.name}: is defined for grey images, and these have colours")
    return images[:, :1]
