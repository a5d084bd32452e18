"""The scorer with the shipped weights: maps on the series' grid, the same numbers however it is asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy.ndimage import gaussian_filter

from miqanet_core import Scorer, SeriesQuality, read_series
from miqanet_core.domain import Domain
from miqanet_core.errors import Cancelled, ModelError
from miqanet_core.quality import Verdict
from miqanet_core.scorer import choose_device, choose_precision
from miqanet_core.series import Geometry, MRSeries
from mr_samples import slice_like, stack_like


@pytest.fixture(scope="module", autouse=True)
def unchecked() -> Iterator[None]:
    """Most images here are drawn: the in-domain check may refuse them, and rightly so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Domain, "from_extras", lambda extras: None)
        yield


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(device="cpu")


def series_of(voxels: np.ndarray, modality: str = "MR") -> MRSeries:
    return MRSeries(voxels, Geometry(), "test", modality)


def scores(quality: SeriesQuality) -> list[float]:
    return [s.score for s in quality.slices if s.score is not None]


def test_map_lies_on_the_grid_of_the_series(scorer: Scorer) -> None:
    voxels = stack_like(2, 200, 320)
    quality = scorer.score(series_of(voxels))
    assert quality.map is not None
    assert quality.map.shape == voxels.shape
    assert quality.map.dtype == np.float32
    assert np.nanmin(quality.map) >= 0
    assert np.nanmax(quality.map) <= 100
    assert len(scores(quality)) == 2
    assert quality.series["size"] == [320, 200, 2]


def test_progress_comes_in_order_with_the_scores_of_the_result(scorer: Scorer) -> None:
    told: list[tuple[int, float | None]] = []
    voxels = stack_like(5)
    voxels[2] = 0
    quality = scorer.score(series_of(voxels), lambda index, score: told.append((index, score)))
    assert told == [(s.index, s.score) for s in quality.slices]
    assert quality.slices[2].score is None


def test_smoothed_noise_beyond_the_body_is_not_scored(scorer: Scorer) -> None:
    rng = np.random.default_rng(0)
    noise = gaussian_filter(np.hypot(*rng.standard_normal((2, 2, 256, 256))), (0, 2, 2))
    body = stack_like(4)
    assert all(s.score is not None for s in scorer.slices(noise.astype(np.float32)))  # alone, it passes for anatomy
    for offset in (0, -500):
        voxels = (np.concatenate([0.01 * body.max() * noise, body]) + offset).astype(np.float32)
        quality = scorer.score(series_of(voxels))
        assert [s.score is None for s in quality.slices] == [True, True, False, False, False, False]
        assert np.isnan(quality.map[:2]).all()
        assert "2 slices were not scored" in " ".join(quality.reasons)


def test_two_runs_are_identical(scorer: Scorer) -> None:
    voxels = stack_like(3)
    first, second = scorer.score(series_of(voxels)), scorer.score(series_of(voxels))
    assert first.to_json() == second.to_json()
    assert np.array_equal(first.map, second.map, equal_nan=True)


def test_batch_size_changes_no_score_by_more_than_a_thousandth() -> None:
    voxels = stack_like(6, 300, 300)
    one, sixteen = (scores(Scorer(device="cpu", batch_size=n).score(series_of(voxels))) for n in (1, 16))
    assert np.allclose(one, sixteen, rtol=0, atol=1e-3)


def test_a_slice_scores_the_same_whatever_comes_along(scorer: Scorer) -> None:
    voxels = stack_like(3)
    alone = scores(scorer.score(series_of(voxels[1:2])))
    assert scores(scorer.score(series_of(voxels)))[1] == pytest.approx(alone[0], abs=1e-3)
    assert scores(scorer.score(series_of(voxels[::-1].copy())))[1] == pytest.approx(alone[0], abs=1e-3)


def test_units_do_not_matter(scorer: Scorer) -> None:
    voxels = stack_like(2)
    assert np.allclose(scores(scorer.score(series_of(voxels))), scores(scorer.score(series_of(voxels * 0.37 + 12))), atol=0.05)


def test_noise_lowers_the_score(scorer: Scorer) -> None:
    clean = slice_like()
    noisy = np.abs(clean + 150 * np.random.default_rng(1).standard_normal(clean.shape)).astype(np.float32)
    high, low = scores(scorer.score(series_of(np.stack([clean, noisy]))))
    assert high > low + 10


def test_threads_share_a_scorer(scorer: Scorer) -> None:
    stacks = [stack_like(2, 256, 200 + 8 * i) for i in range(4)]
    expected = [scores(scorer.score(series_of(s))) for s in stacks]
    found: dict[int, list[float]] = {}

    def work(i: int) -> None:
        found[i] = scores(scorer.score(series_of(stacks[i])))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.allclose(found[i], expected[i], atol=1e-3) for i in range(4))


def test_cancelling_stops_after_the_slice_that_asked_for_it(scorer: Scorer) -> None:
    told = []

    def stop(index: int, score: float | None) -> None:
        told.append(index)
        if index == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        scorer.score(series_of(stack_like(40)), stop)
    assert told == [0, 1]


@pytest.mark.parametrize("voxels", [np.zeros((2, 64, 64)), np.full((1, 64, 64), 5.0)])
def test_series_without_anatomy_is_not_assessed(scorer: Scorer, voxels: np.ndarray) -> None:
    quality = scorer.score(series_of(voxels.astype(np.float32)))
    assert quality.verdict is Verdict.NOT_ASSESSED
    assert quality.score is None
    assert not quality.flagged
    assert quality.map is not None
    assert np.isnan(quality.map).all()


def test_other_modalities_are_not_assessed(scorer: Scorer) -> None:
    quality = scorer.score(series_of(stack_like(1), "CT"))
    assert quality.verdict is Verdict.NOT_ASSESSED
    assert "CT" in quality.reasons[0]


@pytest.mark.parametrize("size", [(16, 16), (20, 300), (64, 64)])
def test_small_slices_are_scored(scorer: Scorer, size: tuple[int, int]) -> None:
    quality = scorer.score(series_of(slice_like(*size)[None]))
    assert quality.map is not None
    assert quality.map.shape == (1, *size)
    assert len(scores(quality)) == 1


def test_same_voxels_score_the_same_as_dicom_nifti_and_nrrd(scorer: Scorer, shared: Path, tmp_path: Path) -> None:
    dicom = read_series(shared / "data" / "mri" / "pelvis_hip_PX0000_T2cor")
    image = sitk.GetImageFromArray(dicom.voxels)
    expected = scores(scorer.score(dicom))
    assert len(expected) == 4
    for name in ("copy.nii.gz", "copy.nrrd", "copy.mha"):
        sitk.WriteImage(image, tmp_path / name)
        assert np.allclose(scores(scorer.score(read_series(tmp_path / name))), expected, rtol=0, atol=1e-4)


def test_bfloat16_stays_close(scorer: Scorer) -> None:
    voxels = stack_like(2)
    half = Scorer(device="cpu", precision="bf16").score(series_of(voxels))
    assert np.allclose(scores(half), scores(scorer.score(series_of(voxels))), atol=2.0)


def test_threads_that_cut_ahead_change_nothing_and_end_with_the_scoring_on_a_cpu() -> None:
    """They serve a GPU; here they run beside a CPU."""
    voxels = np.concatenate([stack_like(5, 100, 300), np.zeros((1, 100, 300), np.float32)])
    scorer = Scorer(device="cpu", batch_size=2)
    alone = scorer.slices(voxels)
    scorer._cutting_threads = 3
    told: list[int] = []
    threaded = scorer.slices(voxels, lambda index, _: told.append(index))
    assert told == list(range(6)) and threaded[-1].score is None
    assert [s.score for s in threaded] == [s.score for s in alone]
    for one, other in zip(threaded, alone, strict=True):
        np.testing.assert_array_equal(one.map, other.map)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scorer.slices(voxels, stop)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("cutting")]


def test_too_little_memory_halves_the_batch_with_a_network_that_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = Scorer(device="cpu", batch_size=8)
    voxels = stack_like(6)
    expected = scores(scorer.score(series_of(voxels)))
    tried: list[int] = []
    forward = scorer._network.forward

    def short_of_memory(tiles: torch.Tensor) -> object:
        tried.append(len(tiles))
        if len(tiles) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return forward(tiles)

    monkeypatch.setattr(scorer._network, "forward", short_of_memory)
    assert np.allclose(scores(scorer.score(series_of(voxels))), expected, atol=1e-3)
    assert tried[:3] == [6, 3, 1]

    def never(tiles: torch.Tensor) -> object:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(scorer._network, "forward", never)
    with pytest.raises(ModelError, match="not enough memory"):
        scorer.score(series_of(voxels))


def test_other_errors_of_the_network_are_not_taken_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = Scorer(device="cpu")

    def broken(tiles: torch.Tensor) -> object:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(scorer._network, "forward", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        scorer.score(series_of(stack_like(1)))


@pytest.mark.parametrize("device", ["tpu9", "cuda:77", "quantum"])
def test_absent_devices_are_refused(device: str) -> None:
    with pytest.raises(ModelError, match=device):
        choose_device(device)


def test_precision_is_chosen_for_the_device() -> None:
    assert choose_precision("auto", torch.device("cpu")) == torch.float32
    assert choose_precision("bf16", torch.device("cpu")) == torch.bfloat16
    with pytest.raises(ModelError, match="fp16"):
        choose_precision("fp16", torch.device("cpu"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_agrees_with_the_cpu(scorer: Scorer) -> None:
    voxels = stack_like(4, 300, 300)
    gpu = Scorer(device="cuda", precision="fp32").score(series_of(voxels))
    assert np.allclose(scores(gpu), scores(scorer.score(series_of(voxels))), atol=0.05)
