"""The network keeps its promises: shapes, determinism, independence of batch and thread, export, learning."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from small_config import SMALL
from torch import Tensor, nn

from miqanet_core.errors import ModelError
from miqanet_core.model import MIQANet, NetworkConfig, create_model, fold_for_scoring, model_names
from miqanet_core.model.branches import to_grid
from miqanet_core.model.config import PRESETS


def tiles(network: MIQANet, count: int, seed: int = 0) -> Tensor:
    size = network.config.tile_size
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_names_and_unknown_name() -> None:
    assert model_names() == ["miqanet_b8", "miqanet_b8_deform", "miqanet_tiny"]
    with pytest.raises(ModelError, match="unknown model 'miqanet_huge'; known: miqanet_b8, miqanet_b8_deform, miqanet_tiny"):
        create_model("miqanet_huge")


def test_tiny_shapes_ranges_and_size(tiny: MIQANet) -> None:
    with torch.inference_mode():
        output = tiny(tiles(tiny, 2))
    assert output.score.shape == (2,)
    assert output.score_map.shape == output.weight_map.shape == (2, 16, 16)
    for values in (output.score, output.score_map, output.weight_map, output.severity):
        assert values.dtype == torch.float32 and values.min() >= 0 and values.max() <= 1
    assert output.presence.shape == output.severity.shape == (2, len(tiny.config.artifacts))
    levels = [level.detach().flatten(2) for level in tiny.local_branch.levels(tiles(tiny, 2))]
    deviations = torch.cat([level.std(2) for level in levels], 1)
    assert torch.allclose(output.features, torch.cat([*(level.mean(2) for level in levels), deviations], 1), atol=1e-4)
    assert output.features.shape[1] == 2 * tiny.local_branch.level_width
    expected = (output.score_map * output.weight_map).sum((1, 2)) / output.weight_map.sum((1, 2))
    assert torch.allclose(output.score, expected, atol=1e-6)
    assert 2 * sum(p.numel() for p in tiny.parameters()) < 24e6


def test_wrong_tile_is_refused(tiny: MIQANet) -> None:
    for shape in ((1, 3, 224, 224), (1, 1, 256, 256), (3, 256, 256)):
        with pytest.raises(ValueError, match="takes tiles of"):
            tiny(torch.zeros(shape))


def test_tiny_map_is_true_to_the_image(tiny: MIQANet) -> None:
    """What changes in one corner of the tile moves the map most there."""
    tile = torch.zeros(1, 3, 256, 256)
    changed = tile.clone()
    changed[..., 192:, 192:] = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        fused = [tiny.fused(tiny.global_branch(x), tiny.local_branch(x)) for x in (changed, tile)]
    moved = (fused[0] - fused[1]).abs().sum(1)[0]
    near, far = moved[12:, 12:].mean(), moved[:8, :8].mean()
    assert near > 3 * far


def test_batch_does_not_matter(tiny: MIQANet) -> None:
    batch = tiles(tiny, 4)
    with torch.inference_mode():
        together = tiny(batch)
        apart = [tiny(batch[i : i + 1]) for i in range(4)]
    for i, output in enumerate(apart):
        assert torch.allclose(together.score[i], output.score[0], atol=1e-5)
        assert torch.allclose(together.score_map[i], output.score_map[0], atol=1e-4)


def test_threads_share_one_network(tiny: MIQANet) -> None:
    inputs = [tiles(tiny, 1, seed) for seed in range(4)]
    before = {name: value.clone() for name, value in tiny.state_dict().items()}

    def score(tile: Tensor) -> Tensor:
        with torch.inference_mode():
            return tiny(tile).score

    alone = [score(tile) for tile in inputs]
    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(score, inputs * 2))
    assert len({float(s) for s in alone}) == 4
    for a, b in zip(alone * 2, threaded, strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    assert all(torch.equal(value, before[name]) for name, value in tiny.state_dict().items())


def test_export_and_compile_with_any_batch() -> None:
    torch.manual_seed(0)
    network = create_model(replace(SMALL, fusion="deformable_concat")).eval()
    example = tiles(network, 2)
    exported = torch.export.export(network, (example,), dynamic_shapes={"tiles": {0: torch.export.Dim("batch", min=1, max=64)}})
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    other = tiles(network, 3, seed=5)
    with torch.no_grad():
        want = network(other)
        for got in (exported.module()(other), compiled(other)):
            assert torch.allclose(got.score, want.score, atol=1e-6)
            assert torch.allclose(got.score_map, want.score_map, atol=1e-6)


def test_export_of_tiny(tiny: MIQANet) -> None:
    exported = torch.export.export(tiny, (tiles(tiny, 1),))
    tile = tiles(tiny, 1, seed=3)
    with torch.no_grad():
        assert torch.allclose(exported.module()(tile).score, tiny(tile).score, atol=1e-6)


def test_weights_that_vanish_leave_the_plain_mean(small: MIQANet) -> None:
    last = small.head.weight[3]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, -200.0)  # its sigmoid is 0 in float32
    output = small.eval()(tiles(small, 2))
    assert not output.weight_map.any()
    assert torch.allclose(output.score, output.score_map.mean((1, 2)))
    output.score.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in small.parameters())


def learns(network: MIQANet) -> None:
    """One step of Adam on a random tile, dropout on, changes every parameter."""
    torch.manual_seed(1)
    network.train()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    output = network(tiles(network, 1))
    (
        (output.score - 2).square().mean() + (output.presence - 1).square().sum() + (output.severity - 2).square().sum()
    ).backward()
    assert output.score.isfinite().all()
    # A bias of the keys adds the same to every logit of a row, which softmax ignores: its gradient is rounding, or none.
    flat = [name for name in before if name.endswith("key.bias")]
    for name, p in network.named_parameters():
        assert p.grad is not None, f"{name} feeds nothing"
        assert p.grad.isfinite().all(), name
        assert name in flat or p.grad.any(), f"{name} has no gradient"
    optimiser.step()
    for name, p in network.named_parameters():
        assert name in flat or not torch.equal(p, before[name]), name


@pytest.mark.parametrize("name", ["miqanet_b8", "miqanet_b8_deform"])
def test_b8_learns(name: str) -> None:
    # A smaller tile: every part and width of the preset on a seventh of the tokens, or this test would take a minute.
    torch.manual_seed(0)
    learns(create_model(replace(PRESETS[name], tile_size=96)))


def test_tiny_learns_and_its_cnn_can_be_frozen() -> None:
    torch.manual_seed(0)
    network = create_model("miqanet_tiny")
    learns(network)
    network.local_branch.backbone.eval().requires_grad_(False)
    statistics = {n: b.clone() for n, b in network.local_branch.backbone.named_buffers()}
    network(tiles(network, 2)).score.sum().backward()
    assert all(torch.equal(b, statistics[n]) for n, b in network.local_branch.backbone.named_buffers())
    assert network.local_branch.project.weight.grad is not None


def test_offsets_move_the_deformable_convolution() -> None:
    """The transformer's map really steers the sampling: other offsets, another local half; the global half stays."""
    torch.manual_seed(0)
    fusion = create_model(replace(SMALL, fusion="deformable_concat")).fusion.eval()
    global_map, local_map = torch.randn(1, 8, 8, 8), torch.randn(1, 8, 8, 8)
    plain = fusion(global_map, local_map)
    assert plain.shape == (1, 16, 8, 8)
    assert torch.allclose(plain[:, :8], 0.8 * global_map, atol=1e-6)
    conv = nn.functional.conv2d(local_map, fusion.deform.weight, fusion.deform.bias, padding=1)
    assert torch.allclose(plain[:, 8:], 0.2 * conv, atol=1e-5)
    nn.init.normal_(fusion.offsets.weight)
    steered = fusion(global_map, local_map)
    assert torch.equal(steered[:, :8], plain[:, :8]) and not torch.allclose(steered[:, 8:], plain[:, 8:], atol=1e-2)


def test_folding_changes_speed_and_not_scores(tiny: MIQANet) -> None:
    network = create_model("miqanet_tiny")
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # as after training, not the ones and zeros of a fresh network
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    network.eval()
    folded = fold_for_scoring(network)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    assert any(isinstance(m, nn.BatchNorm2d) for m in network.modules())
    with torch.inference_mode():
        assert torch.allclose(folded(tiles(network, 2)).score_map, network(tiles(network, 2)).score_map, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "grid"),
    [
        ({"global_backbone": "vit_tiny_patch16_224", "local_backbone": "resnet10t"}, 8),
        ({"global_backbone": "vit_small_patch32_224", "global_patch_size": 16, "local_backbone": "mobilenetv3_small_050"}, 4),
        ({"local_backbone": "convnext_atto", "local_levels": (0, 1)}, 8),
        ({"local_levels": (4,)}, 8),  # coarser than the tokens: tiled
        ({"local_backbone": "resnet18", "local_levels": (3,), "local_stem_pool": False}, 8),
    ],
)
def test_any_timm_backbone(change: dict[str, object], grid: int) -> None:
    network = create_model(replace(SMALL, **change)).eval()  # type: ignore[arg-type]
    assert network(tiles(network, 1)).score_map.shape == (1, grid, grid)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"global_backbone": "vit_of_nowhere"}, "global_backbone 'vit_of_nowhere' is not a model"),
        ({"local_backbone": "hf-hub:somebody/model"}, "is not a model"),
        ({"global_backbone": "resnet18", "global_patch_size": None}, "global_backbone 'resnet18'"),
        ({"local_backbone": "vit_tiny_patch16_224"}, "is not a CNN"),
        ({"global_blocks": (3, 12)}, "12 is asked for"),
        ({"local_levels": (5,)}, "5 is asked for"),
        ({"window": 3}, "windows of 3 do not divide"),
        ({"local_backbone": "convnext_atto", "local_stem_pool": False}, "no stem max-pool"),
        ({"local_levels": ()}, "rising numbers"),
        ({"stage_widths": (16, 6)}, "multiples of 4 heads"),
        ({"fusion": "sum"}, "adaptive_sum or deformable_concat"),
        ({"tile_size": 112, "global_patch_size": 14}, "level of 14 x 14 does not fit the 8 x 8 token grid"),
    ],
)
def test_parts_that_do_not_fit(change: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        create_model(replace(SMALL, **change))  # type: ignore[arg-type]


def test_config_survives_json() -> None:
    assert not NetworkConfig.from_json(SMALL.to_json().replace(', "artifacts": []', "")).artifacts
    assert NetworkConfig.from_json(SMALL.to_json()) == SMALL
    for text in ("[]", "{", SMALL.to_json().replace('"window": 4', '"window": "4"'), SMALL.to_json().replace("heads", "hands")):
        with pytest.raises(ModelError, match="not a network configuration"):
            NetworkConfig.from_json(text)


def test_tiling_is_periodic_and_pooling_is_a_mean() -> None:
    x = torch.arange(4.0).reshape(1, 1, 2, 2)
    assert torch.equal(to_grid(x, 4)[0, 0, :2], torch.tensor([[0.0, 1, 0, 1], [2, 3, 2, 3]]))
    assert to_grid(x, 1).item() == 1.5


def test_pretrained_without_a_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="'vit_small_patch14_dinov2'.*no hub.*pretrained=False") as caught:
        create_model("miqanet_tiny", pretrained=True)
    assert "\n" not in str(caught.value)
