"""What every full-reference measure must do, on a slice of MR."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from miqanet_core import metrics
from mr_samples import stack_like

NAMES = metrics.names("full_reference")
SYMMETRIC = {
    *("psnr", "uqi", "ssim", "ms_ssim", "cw_ssim", "fsim", "rfsim", "sr_sim", "gsm", "gmsd", "ms_gmsd", "vsi", "haarpsi"),
    *("dss", "nlpd", "psnr_hvs", "psnr_hvs_m", "psim", "scc", "sff"),
}
# What a measure says of an image compared with itself; infinite decibels are among them.
BEST = {"mad": 0, "gmsd": 0, "ms_gmsd": 0, "nlpd": 0, "mdsi": 0} | dict.fromkeys(
    ("psnr", "wsnr", "nqm", "vsnr", "psnr_hvs", "psnr_hvs_m"), inf
)


@pytest.fixture(scope="module")
def clean() -> Tensor:
    return torch.from_numpy(np.clip(stack_like(1, 176, 192) / 1000, 0, 1)).double()[:, None]


def noisy(image: Tensor, level: float) -> Tensor:
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0), dtype=image.dtype)
    return (image + level * noise).clamp(0, 1)


def blurred(image: Tensor, radius: int) -> Tensor:
    return F.avg_pool2d(F.pad(image, [radius] * 4, mode="replicate"), 2 * radius + 1, 1)


@pytest.mark.parametrize("name", NAMES)
def test_worse_with_noise_and_with_blur_best_without(name: str, clean: Tensor) -> None:
    for spoiled in ([noisy(clean, level) for level in (0.01, 0.04, 0.08)], [blurred(clean, radius) for radius in (1, 2, 4)]):
        values = [float(metrics.compute(name, image, clean)) for image in (clean, *spoiled)]
        assert values == sorted(values, reverse=metrics.info(name).better == "higher")
        assert len(set(values)) == len(values)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_like_itself(name: str, clean: Tensor) -> None:
    value = float(metrics.compute(name, clean, clean))
    if name == "ifc":  # has no upper limit but what its least noise sets
        assert value > 10
    else:
        assert value == pytest.approx(BEST.get(name, 1), abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_symmetric_or_not(name: str, clean: Tensor) -> None:
    spoiled = noisy(blurred(clean, 1), 0.03)
    there, back = (float(metrics.compute(name, *pair)) for pair in ((spoiled, clean), (clean, spoiled)))
    assert (there == pytest.approx(back, rel=1e-6)) == (name in SYMMETRIC)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"nqm", "vsnr"}))
def test_points_the_way_to_a_better_image(name: str, clean: Tensor) -> None:
    # Away from the steps of thresholds, a small step along the gradient must do what the gradient says.
    image = noisy(blurred(clean, 1), 0.02).clamp(0.01, 0.99).requires_grad_()
    value = metrics.compute(name, image, clean).sum()
    (slope,) = torch.autograd.grad(value, image)
    assert slope.isfinite().all()
    step = 1e-6 * slope / slope.norm()
    with torch.no_grad():
        moved = float(metrics.compute(name, image + step, clean)) - float(metrics.compute(name, image - step, clean))
    assert moved == pytest.approx(2e-6 * float(slope.norm()), rel=0.15)
