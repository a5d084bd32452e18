"""DBCNN: a network that knows distortions and one that knows photographs, joined by the products of their features.

Zhang, Ma, Yan, Deng and Wang, Blind image quality assessment using a deep bilinear convolutional neural network, IEEE
Transactions on Circuits and Systems for Video Technology 30, 2020.

Simplified: the distortion network starts from nothing and learns with the rest, as the distorted photographs that the paper
trained it on before are not to be had. Backbone of the paper: vgg16.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from baselines.network import Pyramid, QualityNetwork, bounded

# Channels of the distortion network's convolutions, and their strides: a sixteenth of the tile at the end.
WIDTHS = (48, 48, 64, 64, 64, 64, 128, 128, 128)
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 2)


class DBCNN(QualityNetwork):
    """Bilinear pooling of both networks at a sixteenth of the tile, signed square root, unit length, one dense layer."""

    def __init__(self, backbone: str, pretrained: bool) -> None:
        super().__init__()
        self.backbone = Pyramid(backbone, pretrained)
        layers: list[nn.Module] = []
        for before, after, stride in zip((1, *WIDTHS), WIDTHS, STRIDES, strict=False):
            layers += [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.distortions = nn.Sequential(*layers)
        self.dense = nn.Linear(WIDTHS[-1] * self.backbone.widths[-2], 1)

    def forward(self, tiles: Tensor) -> Tensor:
        distortions = self.distortions(tiles[:, None]).flatten(2)
        photographs = self.backbone(tiles)[-2].flatten(2)
        products = (distortions @ photographs.transpose(1, 2)).flatten(1).float() / distortions.shape[-1]
        roots = products.sign() * (products.abs() + 1e-8).sqrt()
        return bounded(self.dense(F.normalize(roots)))

    def loss(self, tiles: Tensor, score: Tensor) -> Tensor:
        """The squared error."""
        return F.mse_loss(self(tiles), score)
