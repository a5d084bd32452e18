"""TOPIQ-NR: from the top down, what an image shows leads the eye to the distortions that matter.

Chen, Mo, Hou, Wu, Liao, Sun, Yan and Lin, TOPIQ: A top-down approach from semantics to distortions for image quality
assessment, IEEE Transactions on Image Processing 33, 2024.

Simplified: 128 channels in place of 256, and the tokens of the last attention are averaged. Backbone of the paper: resnet50.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from baselines.network import Pyramid, QualityNetwork, bounded

WIDTH, HEADS = 128, 4


class GatedPooling(nn.Module):
    """A stage on the coarsest stage's grid: each place counts as a gate says that is learned. (B, C, h, w) -> (B, N, WIDTH)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.value, self.gate = nn.Conv2d(width, WIDTH, 1), nn.Conv2d(width, 1, 1)

    def forward(self, stage: Tensor, side: int) -> Tensor:
        gated = F.gelu(self.value(stage)) * self.gate(stage).sigmoid()
        return F.adaptive_avg_pool2d(gated, side).flatten(2).transpose(1, 2)


class TOPIQ(QualityNetwork):
    """Each stage attends to itself; then, from the coarsest on, what is known so far asks the next finer stage."""

    def __init__(self, backbone: str, pretrained: bool) -> None:
        super().__init__()
        self.backbone = Pyramid(backbone, pretrained)
        widths = self.backbone.widths
        options: dict[str, Any] = {"dim_feedforward": 2 * WIDTH, "activation": "gelu", "batch_first": True, "norm_first": True}
        self.pool = nn.ModuleList(GatedPooling(width) for width in widths)
        self.own = nn.ModuleList(nn.TransformerEncoderLayer(WIDTH, HEADS, **options) for _ in widths)
        self.across = nn.ModuleList(nn.TransformerDecoderLayer(WIDTH, HEADS, **options) for _ in widths[1:])
        self.dense = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, 1))

    def forward(self, tiles: Tensor) -> Tensor:
        stages = self.backbone(tiles)
        side = stages[-1].shape[-1]
        known, *finer = [own(pool(stage, side)) for own, pool, stage in zip(self.own, self.pool, stages, strict=True)][::-1]
        for across, finer_stage in zip(self.across, finer, strict=True):
            known = across(known, finer_stage)
        return bounded(self.dense(known.mean(1)))

    def loss(self, tiles: Tensor, score: Tensor) -> Tensor:
        """The squared error."""
        return F.mse_loss(self(tiles), score)
