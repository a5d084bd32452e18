"""MANIQA: attention between the channels of a vision transformer's blocks, then between the places of its map.

Yang, Wu, Shi, Lao, Gong, Cao, Wang and Yang, MANIQA: Multi-dimension attention network for no-reference image quality
assessment, NTIRE workshop at CVPR 2022.

Simplified: the four blocks are narrowed to 192 channels before the first attention, not after it, and each stage has one
attention of each kind in place of two. Backbone of the paper: vit_base_patch8_224, its blocks 6 to 9, counted from 0; of the
packaged ViT, whose last blocks were tuned to find what is salient, the first four are taken.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from baselines.network import QualityNetwork, Tokens, bounded
from miqanet_core.model.swin import SwinStage
from miqanet_core.model.transposed_attention import TransposedAttentionBlocks

BLOCKS = {"vit_small_patch14_dinov2": (0, 1, 2, 3)}
PUBLISHED_BLOCKS = (6, 7, 8, 9)
# Channels of both stages; windows and heads of their attention between places.
WIDTHS, HEADS = (192, 96), 4


class MANIQA(QualityNetwork):
    """Each place of the map is scored and weighed; the score is the weighted mean. Tiles are of 224 pixels."""

    def __init__(self, backbone: str, pretrained: bool) -> None:
        super().__init__()
        self.backbone = Tokens(backbone, pretrained, BLOCKS.get(backbone, PUBLISHED_BLOCKS))
        grid = self.backbone.grid
        window = 4 if grid % 4 == 0 else 7
        layers: list[nn.Module] = []
        for before, after in zip((self.backbone.width, *WIDTHS), WIDTHS, strict=False):
            layers += [nn.Conv2d(before, after, 1), TransposedAttentionBlocks(1, grid, released_reshape=False)]
            layers += [SwinStage(after, grid, window, HEADS, 2 * after, layers=1, layer_blocks=2)]
        self.stages = nn.Sequential(*layers)
        self.score, self.weight = (
            nn.Sequential(nn.Linear(WIDTHS[-1], WIDTHS[-1]), nn.ReLU(), nn.Linear(WIDTHS[-1], 1)) for _ in range(2)
        )

    def forward(self, tiles: Tensor) -> Tensor:
        places = self.stages(self.backbone(tiles)).flatten(2).transpose(1, 2)
        score, weight = bounded(self.score(places)), bounded(self.weight(places))
        return (score * weight).sum(1) / weight.sum(1).clamp_min(1e-6)

    def loss(self, tiles: Tensor, score: Tensor) -> Tensor:
        """The squared error."""
        return F.mse_loss(self(tiles), score)
