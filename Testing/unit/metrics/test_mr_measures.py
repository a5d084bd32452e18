"""MR measures without a reference, against figures that can be worked out by hand."""

from __future__ import annotations

from math import log, pi, sqrt

import numpy as np
import pytest
import torch
from torch import Tensor

from miqanet_core.metrics import compute, info, names
from miqanet_core.metrics.no_reference.regions import foreground
from mr_samples import slice_like

MR_MEASURES = [
    "snr",
    "snr_dietrich",
    "fber",
    "efc",
    "cjv_like",
    "cnr_like",
    "qi1",
    "qi2",
    "gsr_rows",
    "gsr_columns",
    "gradient_entropy",
]


def square(values: np.ndarray) -> Tensor:
    """64 x 64, air of alternating 0 and 0.02, and a square of 32 x 32 that holds ``values``."""
    image = np.indices((64, 64)).sum(0) % 2 * 0.02
    image[16:48, 16:48] = values
    return torch.from_numpy(image)[None, None]


def tissue(*levels: float) -> np.ndarray:
    """Stripes of four columns that take the levels in turn, 32 x 32."""
    return np.resize(np.repeat(levels, 4), (32, 32))


@pytest.fixture
def striped() -> tuple[Tensor, np.ndarray, np.ndarray]:
    """An image, and its pixels in anatomy and in air by the mask that the measures use."""
    image = square(tissue(0.5, 0.6))
    mask = foreground(image)[0].numpy()
    pixels = image[0, 0].numpy()
    assert mask[20:44, 20:44].all()
    assert not mask[:12].any()
    return image, pixels[mask], pixels[~mask]


def test_snr_is_median_over_deviation(striped: tuple[Tensor, np.ndarray, np.ndarray]) -> None:
    image, inside, _ = striped
    assert float(compute("snr", image)) == pytest.approx(np.median(inside) / inside.std(ddof=1))


def test_snr_of_rayleigh_air_is_signal_over_noise() -> None:
    rng = np.random.default_rng(0)
    noise = 0.01 * rng.standard_normal((2, 256, 256))
    signal = np.zeros((256, 256))
    signal[64:192, 64:192] = 0.8
    image = torch.from_numpy(np.hypot(signal + noise[0], noise[1]))
    image[~foreground(image[None, None])[0] & (torch.from_numpy(signal) > 0)] = 0.0125  # the mask's rounded corners are no air
    assert float(compute("snr_dietrich", image[None, None].clamp(0, 1))) == pytest.approx(80, rel=0.03)


def test_snr_dietrich_by_hand(striped: tuple[Tensor, np.ndarray, np.ndarray]) -> None:
    image, inside, air = striped
    assert float(compute("snr_dietrich", image)) == pytest.approx(np.median(inside) / (sqrt(2 / (4 - pi)) * air.std()))


def test_fber_is_the_ratio_of_median_energies(striped: tuple[Tensor, np.ndarray, np.ndarray]) -> None:
    image, inside, air = striped
    image = image + 0.01
    assert float(compute("fber", image)) == pytest.approx(np.median((inside + 0.01) ** 2) / np.median((air + 0.01) ** 2))


def test_blank_air_leaves_no_noise_to_measure() -> None:
    image = torch.zeros(1, 1, 64, 64)
    image[..., 10:54, 10:54] = torch.from_numpy(slice_like(64, 64)[10:54, 10:54] / 2000 + 0.4).clamp(0, 1)
    assert compute("fber", image).isnan().all()


def test_efc_bounds() -> None:
    point = torch.zeros(1, 1, 32, 32)
    point[..., 5, 7] = 1
    assert float(compute("efc", point)) == pytest.approx(0, abs=1e-7)
    assert float(compute("efc", torch.full((1, 1, 32, 32), 0.3))) == pytest.approx(1, abs=1e-6)
    point[..., 20, 20] = 1
    two = 2 * (1 / sqrt(2)) * log(sqrt(2)) / (32 * log(32))
    assert float(compute("efc", point)) == pytest.approx(two, abs=1e-7)


def test_cjv_of_three_classes() -> None:
    image = square(tissue(0.3, 0.32, 0.6, 0.62, 0.9, 0.94))
    assert foreground(image)[0, 16:48, 16:48].all()
    inside = image[0, 0].numpy()[foreground(image)[0].numpy()]
    middle, bright = inside[(inside > 0.5) & (inside < 0.7)], inside[inside > 0.8]
    expected = (middle.std() + bright.std()) / (bright.mean() - middle.mean())
    assert float(compute("cjv_like", image)) == pytest.approx(expected)


def test_gradient_entropy_by_hand() -> None:
    image = torch.zeros(1, 1, 16, 16)
    image[..., 8:] = 0.7  # one edge: sixteen equal differences of 2 * 16 * 15
    assert float(compute("gradient_entropy", image)) == pytest.approx(log(16) / log(480), abs=1e-6)
    assert compute("gradient_entropy", torch.ones(1, 1, 16, 16)).isnan().all()


@pytest.mark.parametrize("name", ["snr_dietrich", "fber", "efc", "gradient_entropy"])
def test_noise_makes_it_worse(name: str) -> None:
    rng = np.random.default_rng(1)
    clean = slice_like() / 1000
    noise = rng.standard_normal((2, *clean.shape))
    levels = [clean, np.hypot(clean + 0.05 * noise[0], 0.05 * noise[1]), np.hypot(clean + 0.15 * noise[0], 0.15 * noise[1])]
    batch = torch.from_numpy(np.stack(levels)[:, None]).clamp(0, 1)
    values = compute(name, batch).tolist()
    assert values == sorted(values, reverse=info(name).better == "higher")


@pytest.mark.parametrize("name", MR_MEASURES)
def test_scale_does_not_matter(name: str) -> None:
    image = torch.from_numpy(slice_like()[None, None] / 1500).clamp(0, 1).double()
    assert torch.allclose(compute(name, image * 0.25), compute(name, image), rtol=1e-4)


@pytest.mark.parametrize("name", ["snr", "snr_dietrich", "fber", "cjv_like"])
def test_noise_alone_has_no_anatomy(name: str) -> None:
    assert compute(name, torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))).isnan().all()


def test_all_of_them_are_registered() -> None:
    assert set(MR_MEASURES) < set(names("no_reference"))


def rayleigh(level: float = 0.01, seed: int = 0) -> Tensor:
    """A bright square of 96 x 64 in 192 x 160 pixels of Rayleigh noise."""
    rng = np.random.default_rng(seed)
    image = level * np.hypot(rng.standard_normal((192, 160)), rng.standard_normal((192, 160)))
    image[48:144, 48:112] += np.resize(np.repeat([0.3, 0.5, 0.8], 8), (96, 64))
    return torch.from_numpy(image).clamp(0, 1)[None, None]


def test_cnr_of_three_classes() -> None:
    image = square(tissue(0.3, 0.32, 0.6, 0.62, 0.9, 0.94))
    mask = foreground(image)[0].numpy()
    pixels = image[0, 0].numpy()
    inside, air = pixels[mask], pixels[~mask]
    middle, bright = inside[(inside > 0.5) & (inside < 0.7)], inside[inside > 0.8]
    expected = (bright.mean() - middle.mean()) / sqrt(middle.var() + bright.var() + air.var())
    assert float(compute("cnr_like", image)) == pytest.approx(expected)


def test_a_ghost_shows_in_its_direction() -> None:
    image = rayleigh()
    ghosted = (image + 0.1 * image.roll(96, 2)).clamp(0, 1)
    assert abs(float(compute("gsr_rows", image))) < 0.01
    assert float(compute("gsr_rows", ghosted)) > 0.03
    assert float(compute("gsr_columns", ghosted)) < float(compute("gsr_rows", ghosted))


def test_gsr_by_hand() -> None:
    image = rayleigh()
    mask = foreground(image)[0].numpy()
    pixels = image[0, 0].numpy()
    ghost = np.roll(mask, 80, 1) & ~mask
    expected = (pixels[ghost].mean() - pixels[~ghost & ~mask].mean()) / np.median(pixels[mask])
    assert float(compute("gsr_columns", image)) == pytest.approx(expected, abs=1e-9)


def test_qi1_is_the_part_of_air_with_artefacts() -> None:
    image = rayleigh()
    assert float(compute("qi1", image)) == 0
    image[..., 4:14, 4:24] = 0.1
    air = int((~foreground(image)).sum())
    # Opening by a cross takes the block's four corners.
    assert float(compute("qi1", image)) == pytest.approx((200 - 4) / air)


def test_qi2_is_small_for_chi_noise_and_larger_for_other() -> None:
    noise = rayleigh()
    other = noise.clone()
    air = ~foreground(noise)[0]
    other[0, 0][air] = 0.01 * (1 + torch.rand(int(air.sum()), generator=torch.Generator().manual_seed(0)) * 3).double()
    assert float(compute("qi2", noise)) < float(compute("qi2", other))


def test_qi2_needs_noise() -> None:
    image = rayleigh()
    image[:, :, ~foreground(image)[0]] = 0
    assert compute("qi2", image).isnan().all()
