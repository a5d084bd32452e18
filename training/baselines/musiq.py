"""MUSIQ: a transformer over the patches of the image at several scales, each patch knowing its place and its scale.

Ke, Wang, Wang, Milanfar and Yang, MUSIQ: Multi-scale image quality transformer, ICCV 2021.

Simplified: patches of one tile, at its own resolution and at half of it, in place of the whole image at three; a patch is
encoded by the stages of a pre-trained CNN, averaged over its 32 x 32 pixels, which see beyond its border; two layers of the
transformer in place of 14, as the authors' pre-training of these is not to be had. Backbone of the paper: resnet50, of which it
took one block.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.network import Pyramid, QualityNetwork, bounded

WIDTH, HEADS, MLP, LAYERS = 384, 6, 1152, 2
# The tile as it is, and shrunk.
SCALES = (1.0, 0.5)
# Places are told apart on a grid of so many by so many, the same one for every scale and size.
PLACES = 10


class MUSIQ(QualityNetwork):
    """The score is read off one token more, which attends to those of all patches."""

    def __init__(self, backbone: str, pretrained: bool) -> None:
        super().__init__()
        self.backbone = Pyramid(backbone, pretrained)
        self.encode = nn.Sequential(nn.LayerNorm(sum(self.backbone.widths)), nn.Linear(sum(self.backbone.widths), WIDTH))
        self.place = nn.Parameter(0.02 * torch.randn(WIDTH, PLACES, PLACES))
        self.scale = nn.Parameter(0.02 * torch.randn(len(SCALES), WIDTH))
        self.reader = nn.Parameter(0.02 * torch.randn(WIDTH))
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, MLP, activation="gelu", batch_first=True, norm_first=True)
        self.transformer = nn.TransformerEncoder(layer, LAYERS, nn.LayerNorm(WIDTH), enable_nested_tensor=False)
        self.dense = nn.Linear(WIDTH, 1)

    def forward(self, tiles: Tensor) -> Tensor:
        tokens = [self.reader.expand(len(tiles), 1, -1)]
        for factor, scale in zip(SCALES, self.scale, strict=True):
            tokens.append(self._patches(tiles, factor) + scale)
        return bounded(self.dense(self.transformer(torch.cat(tokens, 1))[:, 0]))

    def _patches(self, tiles: Tensor, factor: float) -> Tensor:
        """A token of each patch of the tiles, shrunk by ``factor``: (B, N, WIDTH)."""
        if factor != 1:
            tiles = F.interpolate(tiles[:, None], scale_factor=factor, mode="bilinear", antialias=True)[:, 0]
        stages = self.backbone(tiles)
        side = stages[-1].shape[-1]
        patches = torch.cat([F.adaptive_avg_pool2d(stage, side) for stage in stages], 1).flatten(2).transpose(1, 2)
        nearest = torch.arange(side, device=tiles.device) * PLACES // side
        places = self.place[:, nearest[:, None], nearest].flatten(1).transpose(0, 1)
        return self.encode(patches) + places
