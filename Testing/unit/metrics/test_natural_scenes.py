"""NIQE, BRISQUE and PIQE: the authors' numbers, other implementations' numbers, and what any such measure must do."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch
from scipy.stats import gennorm
from torch import Tensor
from torch.nn import functional as F

from miqanet_core import metrics
from miqanet_core.metrics.no_reference.brisque import brisque_features, published_brisque
from miqanet_core.metrics.no_reference.natural_scene import asymmetric_density, halved, symmetric_density
from miqanet_core.metrics.no_reference.niqe import fit_niqe, niqe, niqe_features
from mr_samples import stack_like

NATURAL = ["niqe", "brisque", "piqe"]


def noisy(image: Tensor, level: float) -> Tensor:
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0), dtype=image.dtype)
    return (image + level * noise).clamp(0, 1)


def blurred(image: Tensor, radius: int) -> Tensor:
    side = 2 * radius + 1
    return F.avg_pool2d(F.pad(image, [radius] * 4, mode="replicate"), side, 1)


def test_niqe_gives_the_authors_numbers(calibration_pictures: Tensor) -> None:
    found = metrics.compute("niqe", calibration_pictures).tolist()
    # I03, I08 and I19 are partly saturated. In a flat area the authors' program fits the signs of rounding errors.
    assert found[1] == pytest.approx(3.6549, abs=1e-4)
    assert found[2] == pytest.approx(3.2355, abs=2e-3)
    assert [found[i] for i in (0, 3, 4)] == pytest.approx([15.7536, 3.1840, 8.6352], abs=0.04)


def test_piqe_gives_the_authors_numbers(calibration_pictures: Tensor) -> None:
    found = metrics.compute("piqe", calibration_pictures).tolist()
    assert found == pytest.approx([100, 21.62, 35.86, 41.15, 76.95], abs=0.006)


def test_piqe_agrees_with_pypiqe(photograph: Tensor) -> None:
    # pypiqe 1.2 (MIT), on the same picture.
    assert float(metrics.compute("piqe", photograph)) == pytest.approx(14.602103, abs=1e-4)


def test_brisque_features_agree_with_piq(photograph: Tensor) -> None:
    independent = importlib.import_module("piq.brisque")._natural_scene_statistics(photograph * 255)
    assert torch.allclose(brisque_features(photograph)[:, :18], independent.double(), atol=1e-4)


def test_brisque_gives_the_authors_numbers(calibration_pictures: Tensor) -> None:
    found = metrics.compute("brisque", calibration_pictures).tolist()
    assert found[:3] == pytest.approx([94.6421, -0.1076, 0.9929], abs=2e-3)
    # I08 and I19 are partly saturated; see NIQE's.
    assert found[3:] == pytest.approx([5.3583, 72.2617], abs=2.2)


def test_brisque_regression_agrees_with_its_kernel_written_out(photograph: Tensor) -> None:
    model = published_brisque()
    assert model.vectors.shape == (774, 36)
    features = brisque_features(photograph)[0].numpy()
    low, high = model.lowest.numpy(), model.highest.numpy()
    at = -1 + 2 / (high - low) * (features - low)
    terms = [
        w * np.exp(-0.05 * np.sum((v - at) ** 2)) for w, v in zip(model.weights.numpy(), model.vectors.numpy(), strict=True)
    ]
    assert float(metrics.compute("brisque", photograph)) == pytest.approx(sum(terms) + 153.591, abs=1e-4)


@pytest.mark.parametrize("name", NATURAL)
def test_worse_with_noise(name: str, photograph: Tensor) -> None:
    scores = [float(metrics.compute(name, noisy(photograph, level))) for level in (0, 0.05, 0.1, 0.2)]
    assert scores == sorted(scores)


@pytest.mark.parametrize("name", NATURAL)
def test_worse_with_blur(name: str, photograph: Tensor) -> None:
    scores = [float(metrics.compute(name, blurred(photograph, radius))) for radius in (0, 2, 4)]
    assert scores == sorted(scores)


def test_fits_recover_the_shape_they_were_drawn_from() -> None:
    samples = gennorm.rvs(1.4, scale=2, size=200_000, random_state=np.random.default_rng(0))
    shape, variance = symmetric_density(torch.from_numpy(samples))
    assert float(shape) == pytest.approx(1.4, abs=0.02)
    assert float(variance) == pytest.approx(gennorm.var(1.4, scale=2), rel=0.02)
    lopsided = torch.from_numpy(np.where(samples < 0, samples, 3 * samples))
    density = asymmetric_density(lopsided)
    assert float(density.right / density.left) == pytest.approx(3, rel=0.02)


def test_halving_keeps_a_ramp_and_the_mean() -> None:
    ramp = torch.arange(64.0, dtype=torch.float64).expand(1, 1, 40, 64)
    half = halved(ramp)
    assert half.shape == (1, 1, 20, 32)
    assert torch.allclose(half[..., 4:-4], (ramp[..., ::2] + 0.5)[..., :20, 4:-4], atol=1e-9)
    assert halved(torch.ones(1, 1, 33, 47)).shape == (1, 1, 17, 24)


def test_niqe_refitted_on_mr_finds_clean_mr_pristine() -> None:
    slices = torch.from_numpy(np.clip(stack_like(14, 288, 288) / 1000, 0, 1))[:, None]
    model = fit_niqe(image[None] for image in slices[:12])
    clean, spoiled = niqe(slices[12:], model), niqe(noisy(slices[12:], 0.1), model)
    assert (clean < spoiled).all()
    # A model of these images must be nearer to others like them than that of photographs is.
    assert (clean < niqe(slices[12:])).all()


def test_niqe_model_is_the_mean_of_what_it_saw() -> None:
    slices = torch.from_numpy(np.clip(stack_like(8, 288, 288) / 1000, 0, 1))[:, None]
    features, sharpness = niqe_features(slices)
    chosen = features[sharpness >= 0.75 * sharpness.amax(1, keepdim=True)]
    chosen = chosen[~chosen.isnan().any(1)].numpy()
    model = fit_niqe(image[None] for image in slices)
    assert model.mean.numpy() == pytest.approx(chosen.mean(0))
    assert model.covariance.numpy() == pytest.approx(np.cov(chosen.T))


def test_niqe_refuses_too_little_to_fit() -> None:
    with pytest.raises(ValueError, match="more than 36 sharp blocks"):
        fit_niqe([torch.rand(1, 1, 192, 192)])
    with pytest.raises(ValueError, match="got 0"):
        fit_niqe([])


def test_an_image_without_contrast_has_no_naturalness() -> None:
    flat = torch.full((1, 1, 192, 192), 0.5)
    assert metrics.compute("niqe", flat).isnan().all()
    assert float(metrics.compute("piqe", flat)) == 100
