"""TReS: a transformer over a CNN's stages, taught to rank and to say the same of an image and its mirror image.

Golestaneh, Dadsetan and Kitani, No-reference image quality assessment via transformers, relative ranking, and self-consistency,
WACV 2022.

Simplified: the stages are narrowed to 64 channels each before the transformer, and pooled by plain root mean squares. Backbone
of the paper: resnet50.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.network import Pyramid, QualityNetwork, bounded

STAGE_WIDTH, SIDE, HEADS, LAYERS = 64, 7, 4, 2
# What the paper's losses besides the error count.
CONSISTENCY, RANKING, MIRRORED_RANKING = 0.5, 0.05, 1.0


class TReS(QualityNetwork):
    """Beside the transformer stands the last stage alone, which knows what the image shows."""

    def __init__(self, backbone: str, pretrained: bool) -> None:
        super().__init__()
        self.backbone = Pyramid(backbone, pretrained)
        widths = self.backbone.widths
        total = STAGE_WIDTH * len(widths)
        self.narrow = nn.ModuleList(nn.Conv2d(width, STAGE_WIDTH, 1) for width in widths)
        self.place = nn.Parameter(0.02 * torch.randn(SIDE**2, total))
        layer = nn.TransformerEncoderLayer(total, HEADS, 2 * total, batch_first=True, norm_first=True)
        self.transformer = nn.TransformerEncoder(layer, LAYERS, nn.LayerNorm(total), enable_nested_tensor=False)
        self.dense = nn.Sequential(nn.Linear(total + widths[-1], total), nn.ReLU(), nn.Linear(total, 1))

    def forward(self, tiles: Tensor) -> Tensor:
        return self._judged(tiles)[0]

    def loss(self, tiles: Tensor, score: Tensor) -> Tensor:
        """The absolute error; the ranking of the batch's ends; what changes when the tiles are mirrored."""
        (found, whole, last), (mirrored, whole_mirrored, last_mirrored) = map(self._judged, (tiles, tiles.flip(2)))
        ranking, ranking_mirrored = ranking_loss(found, score), ranking_loss(mirrored, score)
        consistency = F.l1_loss(whole, whole_mirrored) + F.l1_loss(last, last_mirrored)
        consistency = consistency + MIRRORED_RANKING * (ranking - ranking_mirrored).abs()
        error = F.l1_loss(found, score) + F.l1_loss(mirrored, score)
        return error + RANKING * (ranking + ranking_mirrored) + CONSISTENCY * consistency

    def _judged(self, tiles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score (B,), what the transformer makes of the tile and what the last stage does, (B, C) each."""
        stages = self.backbone(tiles)
        narrow = [F.normalize(layer(root_mean_square(stage, SIDE))) for layer, stage in zip(self.narrow, stages, strict=True)]
        tokens = torch.cat(narrow, 1).flatten(2).transpose(1, 2) + self.place
        whole, last = self.transformer(tokens).mean(1), stages[-1].mean((2, 3))
        return bounded(self.dense(torch.cat([whole, last], 1))), whole, last


def root_mean_square(stage: Tensor, side: int) -> Tensor:
    """(B, C, h, w) -> (B, C, side, side)."""
    return (F.adaptive_avg_pool2d(stage.float().square(), side) + 1e-8).sqrt()


def ranking_loss(found: Tensor, score: Tensor) -> Tensor:
    """Between its best and its worst a batch must spread farther than between the two best, or the two worst: (B,) -> ().

    The margins are the differences that the scores have themselves. 0 for fewer than three.
    """
    if len(score) < 3:
        return found.new_zeros(())
    order = score.argsort(descending=True)
    best, second, last_but_one, worst = (order[i] for i in (0, 1, -2, -1))
    spread = (found[best] - found[worst]).abs()
    top = F.relu((found[best] - found[second]).abs() - spread + score[second] - score[worst])
    bottom = F.relu((found[last_but_one] - found[worst]).abs() - spread + score[best] - score[last_but_one])
    return top + bottom
