"""NIMA: a classifier of photographs that gives a distribution of ratings in place of a class.

Talebi and Milanfar, NIMA: Neural image assessment, IEEE Transactions on Image Processing 27, 2018.

Simplified: the sets of rated MR images have a mean and no distribution, so the distribution to be learned is the narrowest with
that mean, which lies on two neighbouring ratings; tiles are cut from the image, which is not shrunk to fit. Backbones of the
paper: vgg16, inception_v3 (it took version 2) or mobilenetv1_100.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.network import Pyramid, QualityNetwork

# Ratings that a person could give, evenly spaced over 0..1.
RATINGS = 10


def distribution_of(score: Tensor) -> Tensor:
    """The narrowest distribution over the ratings whose mean is the score: (B,) in 0..1 -> (B, 10)."""
    place = score[:, None] * (RATINGS - 1)
    return (1 - (place - torch.arange(RATINGS, device=score.device)).abs()).clamp_min(0)


class NIMA(QualityNetwork):
    """The last stage of a CNN, averaged over the tile, and one dense layer behind heavy dropout."""

    def __init__(self, backbone: str, pretrained: bool) -> None:
        super().__init__()
        self.backbone = Pyramid(backbone, pretrained)
        self.dense = nn.Sequential(nn.Dropout(0.75), nn.Linear(self.backbone.widths[-1], RATINGS))

    def distribution(self, tiles: Tensor) -> Tensor:
        """How likely each rating is: (B, 10), sums to 1."""
        out: Tensor = self.dense(self.backbone(tiles)[-1].mean((2, 3)))
        return out.float().softmax(1)

    def forward(self, tiles: Tensor) -> Tensor:
        return (self.distribution(tiles) * torch.linspace(0, 1, RATINGS, device=tiles.device)).sum(1)

    def loss(self, tiles: Tensor, score: Tensor) -> Tensor:
        """Earth mover's distance, squared in each rating: the root mean squared difference of the cumulative distributions."""
        difference = (self.distribution(tiles) - distribution_of(score)).cumsum(1)
        return (difference.square().mean(1) + 1e-12).sqrt().mean()
