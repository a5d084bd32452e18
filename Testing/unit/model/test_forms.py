"""One network in several forms (as released, folded, batches, memory orders, precisions): the same scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from miqanet_core import Scorer, read_series
from miqanet_core.model import MIQANet, create_model, fold_for_scoring, unfuse_attention
from miqanet_core.model.attention import attention
from miqanet_core.model.config import PRESETS
from miqanet_core.model.head import pooled
from miqanet_core.model.transposed_attention import TransposedAttention
from released_layout import released_layout


@pytest.fixture(scope="module")
def b8() -> MIQANet:
    """Every part and width of the preset on a seventh of its tokens, scoring about 50; seeded weights."""
    torch.manual_seed(20)
    network = create_model(replace(PRESETS["miqanet_b8"], tile_size=96)).eval()
    nn.init.constant_(network.head.score[3].bias, 0.5)  # type: ignore[arg-type]
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # as after training
            nn.init.uniform_(module.running_mean, -0.2, 0.2)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    return network


def tiles(size: int, count: int = 2) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def points(network: MIQANet, x: Tensor) -> Tensor:
    with torch.inference_mode():
        score: Tensor = 100 * network(x).score
        return score


def test_the_released_layout_scores_the_same_and_computes_more(b8: MIQANet) -> None:
    plain = released_layout(b8)
    assert len(plain.global_branch.backbone.blocks) == 12 and len(b8.global_branch.backbone.blocks) == 10
    want = points(plain, tiles(96))
    assert want.min() > 1 and want.std() > 1e-3  # no score that the ReLU holds at 0, and no constant
    assert torch.allclose(points(b8, tiles(96)), want, rtol=0, atol=1e-4)
    folded = fold_for_scoring(b8).to(memory_format=torch.channels_last)
    assert torch.allclose(points(folded, tiles(96).contiguous(memory_format=torch.channels_last)), want, rtol=0, atol=1e-4)


def test_bfloat16_stays_within_half_a_point_of_the_released_layout(b8: MIQANet) -> None:
    want = points(released_layout(b8), tiles(96))
    half = fold_for_scoring(b8)
    unfuse_attention(half)
    with torch.autocast("cpu", torch.bfloat16):
        got = points(half, tiles(96))
    assert not torch.equal(got, want)
    assert torch.allclose(got, want, rtol=0, atol=0.5)


@pytest.mark.parametrize("released_reshape", [True, False])
def test_keys_fold_into_queries(released_reshape: bool, small: MIQANet) -> None:
    network = create_model(replace(small.config, released_reshape=released_reshape)).eval()
    for block in (m for m in network.modules() if isinstance(m, TransposedAttention)):
        nn.init.normal_(block.query.weight, std=0.5)  # logits that make the softmax choose
        nn.init.normal_(block.query.bias)
        nn.init.normal_(block.key.bias)  # type: ignore[arg-type]
    folded = fold_for_scoring(network)
    blocks = [m for m in folded.modules() if isinstance(m, TransposedAttention)]
    assert blocks and all(isinstance(block.key, nn.Identity) for block in blocks)
    with torch.inference_mode():
        got, want = folded(tiles(64)), network(tiles(64))
    assert torch.allclose(got.score_map, want.score_map, rtol=0, atol=1e-5)
    blocks[0].query.bias.data += 1  # so the bias counts, and a wrong one would have been seen
    with torch.inference_mode():
        assert not torch.allclose(folded(tiles(64)).score_map, want.score_map, rtol=0, atol=1e-5)


@pytest.mark.parametrize("biased", [True, False])
def test_attention_that_is_written_out(biased: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, 300, 16, generator=draw).bfloat16() for _ in range(3))  # more rows than one go takes
    bias = torch.randn(1, 3, 300, 300, generator=draw).bfloat16() if biased else None
    want = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), None if bias is None else bias.float())
    assert torch.allclose(attention(q, k, v, bias).float(), want, atol=0.03)
    assert torch.equal(
        attention(q.float(), k.float(), v.float()), F.scaled_dot_product_attention(q.float(), k.float(), v.float())
    )


def test_pooling_is_mean_and_deviation_and_learns_where_nothing_varies() -> None:
    x = torch.randn(2, 5, 4, 4, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=torch.channels_last)
    flat = x.flatten(2)
    assert torch.allclose(pooled(x), torch.cat([flat.mean(2), flat.std(2)], 1), atol=1e-6)
    still = torch.ones(1, 2, 4, 4, requires_grad=True)
    pooled(still).sum().backward()
    assert still.grad is not None and still.grad.isfinite().all()


@pytest.mark.parametrize("batch", [1, 7])
def test_real_slices_score_the_same_in_any_batch_and_close_in_bfloat16(batch: int, shared: Path) -> None:
    voxels = read_series(shared / "data" / "mri" / "pelvis_hip_PX0000_T2cor").voxels[:3]

    def scores(precision: str, batch_size: int | None) -> np.ndarray:
        return np.array([s.score for s in Scorer(device="cpu", precision=precision, batch_size=batch_size).slices(voxels)])

    want = scores("fp32", None)
    assert np.allclose(scores("fp32", batch), want, rtol=0, atol=1e-3)
    assert np.allclose(scores("bf16", batch), want, rtol=0, atol=2)
