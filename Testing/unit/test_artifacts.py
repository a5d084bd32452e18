"""The simulated artefacts: reproducible, graded, and of the energy that they claim."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.stats import kendalltau

from miqanet_core import artifacts
from miqanet_core.artifacts import kspace
from miqanet_core.metrics.full_reference.haarpsi import haarpsi
from miqanet_core.transforms import anatomy_mask
from mr_samples import slice_like

LADDER = (0.0, 0.15, 0.3, 0.5, 0.75, 1.0)
IMAGE = slice_like(192, 256)


def similarity(degraded: np.ndarray) -> float:
    top = np.percentile(IMAGE, 99.8)
    pair = [torch.from_numpy(np.clip(x / top, 0, 1).astype(np.float32))[None, None] for x in (degraded, IMAGE)]
    return float(haarpsi(*pair))


def test_every_artefact_has_one_family() -> None:
    assert sorted(name for members in artifacts.families().values() for name in members) == sorted(artifacts.names())


@pytest.mark.parametrize("name", artifacts.names())
def test_severity_zero_is_the_slice_itself(name: str) -> None:
    assert np.array_equal(artifacts.simulate(IMAGE, name, 0.0, 1), IMAGE)


@pytest.mark.parametrize("name", artifacts.names())
def test_one_seed_gives_one_result_and_leaves_its_input_alone(name: str) -> None:
    before = IMAGE.copy()
    first, second = (artifacts.simulate(IMAGE, name, 0.6, 7) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(IMAGE, before)
    assert first.shape == IMAGE.shape
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert first.min() >= 0


@pytest.mark.parametrize("name", sorted(set(artifacts.names()) - {"blur"}))
def test_another_seed_gives_another_result(name: str) -> None:
    results = [artifacts.simulate(IMAGE, name, 0.6, seed) for seed in range(6)]
    assert any(not np.array_equal(results[0], other) for other in results[1:])


@pytest.mark.parametrize("name", artifacts.names())
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_ladder_gets_worse_rung_by_rung(name: str, seed: int) -> None:
    values = [similarity(artifacts.simulate(IMAGE, name, severity, seed)) for severity in LADDER]
    assert kendalltau(LADDER, values).statistic <= -0.85
    assert values[-1] < 0.75


@pytest.mark.parametrize("name", artifacts.names())
def test_does_not_depend_on_the_intensity_scale(name: str) -> None:
    plain, scaled = artifacts.simulate(IMAGE, name, 0.5, 3), artifacts.simulate(IMAGE * 8, name, 0.5, 3)
    assert np.allclose(scaled, plain * 8, rtol=1e-3, atol=1e-3 * scaled.max())


@pytest.mark.parametrize(("name", "most"), [("white_noise", 0.40), ("coloured_noise", 0.40), ("spike", 0.45)])
def test_energy_inside_the_anatomy_is_what_the_severity_says(name: str, most: float) -> None:
    mask = anatomy_mask(IMAGE)
    degraded = artifacts.simulate(IMAGE, name, 0.25, 5)
    error = np.sqrt(np.mean((degraded - IMAGE)[mask] ** 2)) / np.sqrt(np.mean(IMAGE[mask] ** 2))
    assert error == pytest.approx(0.25 * most, rel=0.05)


def test_coloured_noise_lies_at_low_frequencies() -> None:
    flat = np.full((192, 192), 500.0)
    low = {}
    for name in ("white_noise", "coloured_noise"):
        power = np.abs(kspace.to_kspace(artifacts.simulate(flat, name, 0.3, 2) - flat)) ** 2
        centre = power[72:120, 72:120].sum() - power[96, 96]
        low[name] = centre / (power.sum() - power[96, 96])
    assert low["coloured_noise"] > 3 * low["white_noise"]


def test_informative_extent_sees_zero_filling() -> None:
    detailed = 500 + 100 * ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((192, 256)), 0.6)
    lines = kspace.to_kspace(detailed)
    lines[np.abs(np.arange(192) - 96) > 0.3 * 96] = 0
    filled = kspace.to_image(lines)
    assert kspace.informative_extent(detailed, 0) > 0.42
    assert kspace.informative_extent(filled, 0) == pytest.approx(0.3, abs=0.05)
    assert kspace.informative_extent(filled, 1) > 0.42


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((IMAGE, "dust", 0.5, 1), "no artefact is called 'dust'"),
        ((IMAGE, "blur", 1.5, 1), "severity must be 0..1"),
        ((IMAGE[0], "blur", 0.5, 1), "2-D"),
        ((np.full((64, 64), np.nan), "blur", 0.5, 1), "finite"),
    ],
)
def test_wrong_arguments_are_named(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        artifacts.simulate(*arguments)


def test_random_transform_tells_its_deterministic_twin() -> None:
    transform = artifacts.RandSimulateArtifact(severity=(0.4, 0.9)).set_random_state(3)
    degraded = transform(IMAGE[None])
    assert transform.fixed is not None
    assert 0.4 <= transform.fixed.severity <= 0.9
    assert np.array_equal(transform.fixed(IMAGE[None]), degraded)
    assert np.array_equal(artifacts.RandSimulateArtifact(severity=(0.4, 0.9)).set_random_state(3)(IMAGE[None]), degraded)


def test_random_transform_with_probability_zero_leaves_the_slice_alone() -> None:
    transform = artifacts.RandSimulateArtifact(prob=0.0)
    assert np.array_equal(transform(IMAGE[None]), IMAGE[None])
    assert transform.fixed is None


def test_dictionary_transform_does_the_same_to_every_key() -> None:
    transform = artifacts.RandSimulateArtifactd(["image", "again"], artifacts=["white_noise"]).set_random_state(1)
    result = transform({"image": IMAGE[None], "again": IMAGE[None], "other": 5})
    assert np.array_equal(result["image"], result["again"])
    assert not np.array_equal(result["image"], IMAGE[None])
    assert result["other"] == 5
    assert result["artifact"]["name"] == "white_noise"
