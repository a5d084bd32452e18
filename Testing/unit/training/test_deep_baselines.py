"""The deep baselines: nine networks that keep their paper's form, learn, and are trained by one loop that repeats itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from scipy.stats import spearmanr
from small_runs import rated_folder
from torch import Tensor, nn

from baseline_training import SHAPE, BaselineRegression
from baselines.cnniqa import CNNIQA, locally_normalised
from baselines.deep import DEEP, learner
from baselines.maniqa import BLOCKS
from baselines.network import PACKAGED, PATCH, QualityNetwork
from baselines.nima import RATINGS, distribution_of
from baselines.tres import ranking_loss
from baselines.wadiqam import WaDIQaM
from miqanet_core.errors import InputError, ModelError
from mr_samples import slice_like
from rated import RatedImage, read_rated
from settings import BaselineSettings

# Small enough to learn in seconds; of the paper's kind all the same.
SMALL_BACKBONE = {"tf_efficientnet_lite0": "test_resnet", "vit_small_patch14_dinov2": "vit_tiny_patch16_224", None: None}


@pytest.fixture(autouse=True)
def _few_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BLOCKS, "vit_tiny_patch16_224", (0, 1))


def small(name: str, **changes: Any) -> BaselineSettings:
    settings = DEEP[name].settings
    backbone = SMALL_BACKBONE[settings.backbone]
    told = {"backbone": backbone, "pretrained": False, "backbone_learning_rate": settings.learning_rate, **changes}
    return settings.model_copy(update=told)


def built(name: str) -> QualityNetwork:
    torch.manual_seed(1)
    network = DEEP[name].build(small(name))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and not module.weight.any():
            # timm starts a residual block at gain 0, behind which nothing learns in the first step.
            nn.init.ones_(module.weight)
    return network


def noisy_tiles(name: str, count: int) -> tuple[Tensor, Tensor]:
    """Tiles of one content each, the noisier the worse, and their scores. MANIQA's transformer takes no smaller tile."""
    side = 224 if name == "maniqa" else 64
    rng = np.random.default_rng(0)
    noise = np.linspace(0, 0.4, count)
    tiles = [slice_like(side, side, i) / 1000 + level * rng.standard_normal((side, side)) for i, level in enumerate(noise)]
    return torch.tensor(np.clip(tiles, 0, 1), dtype=torch.float32), torch.tensor(1 - 2 * noise, dtype=torch.float32)


def test_there_are_the_nine_and_each_says_what_it_is() -> None:
    titles = ["CNNIQA", "WaDIQaM-NR", "NIMA", "DBCNN", "HyperIQA", "MUSIQ", "TReS", "MANIQA", "TOPIQ-NR"]
    assert [baseline.title for baseline in DEEP.values()] == titles
    for baseline in DEEP.values():
        assert baseline.paper[-5:-1].isdecimal(), baseline.paper  # it ends with the year
        assert len(baseline.simplified) > 40 and not baseline.simplified.startswith("Simplified")
        assert baseline.settings.backbone is None or baseline.settings.backbone in PACKAGED


@pytest.mark.parametrize("name", DEEP)
def test_scores_are_bounded_and_every_weight_learns(name: str) -> None:
    network = built(name)
    tiles, score = noisy_tiles(name, 4)
    for shown in (tiles, torch.zeros_like(tiles), torch.ones_like(tiles)):
        found = network.eval()(shown)
        assert found.shape == (4,) and found.dtype == torch.float32
        assert ((found >= 0) & (found <= 1)).all()
    network.train().loss(tiles, score).backward()
    unmoved = [key for key, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert unmoved == []


@pytest.mark.parametrize("name", DEEP)
def test_noise_is_ordered_after_a_few_steps(name: str) -> None:
    network = built(name)
    tiles, score = noisy_tiles(name, 6)
    if hasattr(network, "backbone"):
        network.backbone.requires_grad_(False)
    optimizer = torch.optim.Adam(network.parameters(), lr=small(name).learning_rate)
    torch.manual_seed(2)
    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        loss = network.loss(tiles, score)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    # Dropout and drawn patches make single losses uneven.
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:2])
    for module in network.modules():
        module.train(not isinstance(module, nn.Dropout))
    with torch.no_grad():
        assert spearmanr(network(tiles), score).statistic > 0.9


def test_a_frozen_backbone_stays_as_it_is_and_a_tuned_one_learns_at_its_own_rate() -> None:
    for rate in (0.0, 1e-5):
        settings = small("topiq", backbone_learning_rate=rate)
        module = BaselineRegression(DEEP["topiq"].build(settings), settings).train()
        assert module.backbone is not None and not module.backbone.training and module.network.training
        assert any(p.requires_grad for p in module.backbone.parameters()) == (rate > 0)
        groups = module.configure_optimizers()["optimizer"].param_groups
        assert [group["max_lr"] for group in groups] == ([rate] if rate else []) + [settings.learning_rate]
        learned = {id(p) for group in groups for p in group["params"]}
        assert learned == {id(p) for p in module.network.parameters() if p.requires_grad}


def test_the_paper_says_how_contrast_is_normalised() -> None:
    tiles = torch.rand(1, 40, 40)
    window = tiles[0, 10:17, 20:27].numpy()
    wanted = (window[3, 3] - window.mean()) / (window.std() + 1 / 255)
    assert locally_normalised(tiles)[0, 13, 23].item() == pytest.approx(wanted, abs=1e-4)


def test_one_convolution_of_the_tile_sees_each_patch_alone() -> None:
    network = CNNIQA().eval()
    tile = torch.rand(1, 64, 64)
    score, weight = network.patch_scores(tile)
    assert score.shape == weight.shape == (1, 4)
    normalised = locally_normalised(tile)[:, :PATCH, PATCH:]
    responses = network.kernels(normalised[:, None]).flatten(2)
    alone = network.dense(torch.cat([responses.amax(2), responses.amin(2)], 1)).sigmoid()
    assert score[0, 1].item() == pytest.approx(alone.item(), abs=1e-6)


@pytest.mark.parametrize("kind", [CNNIQA, WaDIQaM])
def test_padding_has_no_say(kind: type[QualityNetwork]) -> None:
    torch.manual_seed(0)
    network = kind().eval()
    tile = torch.rand(1, 64, 64)
    tile[:, :, 26:] = 0  # a patch that ends in padding is the same patch wherever the tile ends
    padded = torch.nn.functional.pad(tile, (0, 64, 0, 0))
    assert network(padded).item() == pytest.approx(network(tile).item(), abs=1e-5)


def test_a_mean_becomes_the_narrowest_distribution() -> None:
    score = torch.tensor([0.0, 0.25, 1 / 3, 0.999, 1.0])
    distribution = distribution_of(score)
    assert torch.allclose(distribution.sum(1), torch.ones(5))
    assert torch.allclose(distribution @ torch.linspace(0, 1, RATINGS), score, atol=1e-6)
    assert ((distribution > 1e-5).sum(1) <= 2).all()


def test_ranking_costs_nothing_where_the_scores_are_met() -> None:
    score = torch.tensor([0.9, 0.1, 0.5, 0.3])
    assert ranking_loss(score, score).item() == pytest.approx(0, abs=1e-6)
    assert ranking_loss(torch.full((4,), 0.5), score).item() == pytest.approx(0.4 + 0.6)
    assert ranking_loss(score[:2], score[:2]).item() == 0


def few(root: Path, name: str, **changes: Any) -> tuple[list[RatedImage], list[RatedImage], BaselineSettings]:
    images = read_rated("folder", rated_folder(root, 3))
    settings = small(name, precision="32-true", steps=4, validations=2, batch_size=2, **changes)
    return images[:8], images[8:], settings


def test_one_seed_gives_one_result_and_leaves_no_checkpoint(tmp_path: Path) -> None:
    train, validation, settings = few(tmp_path / "set", "cnniqa")
    found = {}
    for run, seed in (("first", 20), ("second", 20), ("other", 21)):
        told = settings.model_copy(update={"seed": seed, "steps": 2, "validations": 1})
        predict = learner("cnniqa", told)(train, validation, tmp_path / run)
        found[run] = predict(validation)
        np.testing.assert_array_equal(predict(validation), found[run])
        assert not list((tmp_path / run).glob("*.ckpt"))
    assert found["first"].shape == (4,)
    assert ((found["first"] > 0) & (found["first"] < 100)).all()
    np.testing.assert_array_equal(found["first"], found["second"])
    assert not np.array_equal(found["first"], found["other"])


class PowerCut(RuntimeError):
    """Stands in for a process that is killed: nothing of it is caught on the way."""


def test_an_interrupted_training_goes_on_to_the_same_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train, validation, settings = few(tmp_path / "set", "cnniqa")
    whole = learner("cnniqa", settings)(train, validation, tmp_path / "whole")(validation)
    loss, steps = CNNIQA.loss, []

    def interrupted(network: CNNIQA, tiles: Tensor, score: Tensor) -> Tensor:
        steps.append(len(steps))
        if len(steps) == 4:
            raise PowerCut
        return loss(network, tiles, score)

    monkeypatch.setattr(CNNIQA, "loss", interrupted)
    with pytest.raises(PowerCut):
        learner("cnniqa", settings)(train, validation, tmp_path / "broken")
    assert len(steps) == 4
    again = learner("cnniqa", settings)(train, validation, tmp_path / "broken")(validation)
    assert len(steps) == 6  # the third step, which no checkpoint held, and the fourth
    np.testing.assert_array_equal(again, whole)


def test_validation_that_cannot_be_ranked_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    train, validation, settings = few(tmp_path / "set", "cnniqa", backbone="none such")
    with pytest.raises(InputError, match=r"r2_0\.png: is one of 2 images"):
        learner("cnniqa", settings)(train, validation[:2], tmp_path / "out")


def test_a_backbone_that_cannot_be_had_is_told_of_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="timm .* knows no model 'resnet51'; name another backbone"):
        DEEP["tres"].build(small("tres", backbone="resnet51"))

    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError("no route to host")

    # A hub out of reach, as here, where asking the real one would wait for its time limit.
    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(ModelError, match="'resnet50' cannot be had .*no route to host.*tf_efficientnet_lite0"):
        DEEP["tres"].build(small("tres", backbone="resnet50", pretrained=True))


@pytest.mark.parametrize(
    ("name", "backbone"),
    [
        ("nima", "vgg16"),
        ("nima", "inception_v3"),
        ("nima", "mobilenetv1_100"),
        ("dbcnn", "vgg16"),
        ("hyperiqa", "resnet50"),
        ("musiq", "resnet50"),
        ("tres", "resnet50"),
        ("topiq", "resnet50"),
        ("maniqa", "vit_base_patch8_224"),
    ],
)
def test_the_backbone_of_the_paper_fits_and_the_docstring_names_it(name: str, backbone: str) -> None:
    assert backbone in DEEP[name].simplified
    with torch.device("meta"):  # shapes alone: a ViT-B of patch 8 would take seconds
        network = DEEP[name].build(small(name, backbone=backbone)).eval()
        assert network(torch.rand(2, SHAPE.tile, SHAPE.tile)).shape == (2,)
