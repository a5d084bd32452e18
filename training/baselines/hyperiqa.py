"""HyperIQA: what the image shows decides by which small network its quality is judged.

Su, Yan, Zhu, Zhang, Ge, Sun and Zhang, Blindly assess image quality in the wild guided by a self-adaptive hyper network, CVPR
2020.

Simplified: the mean is over five crops of an image, not over 25 drawn at random. Backbone of the paper: resnet50.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.network import Pyramid, QualityNetwork, bounded

# Inputs of each layer of the network that judges; the last one has one output.
SIZES = (224, 112, 56, 28, 14)
# Channels and side of the map from which that network's weights are made.
CHANNELS, SIDE = 112, 7
# Distortion features of each of the first three stages; the last stage has what is left of 224.
LOCAL = 16


class HyperIQA(QualityNetwork):
    """Distortion features from all four stages, judged by five dense layers whose weights come from the last stage."""

    def __init__(self, backbone: str, pretrained: bool) -> None:
        super().__init__()
        self.backbone = Pyramid(backbone, pretrained)
        widths = self.backbone.widths
        outs = (LOCAL, LOCAL, LOCAL, SIZES[0] - 3 * LOCAL)
        # 7 x 7 places of a narrowed map, whatever the stage: local distortions keep their place.
        self.local = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, LOCAL, 1), nn.AdaptiveAvgPool2d(SIDE), nn.Flatten(), nn.Linear(LOCAL * SIDE**2, out))
            for width, out in zip(widths, outs, strict=True)
        )
        self.content = nn.Sequential(
            nn.Conv2d(widths[-1], 2 * CHANNELS, 1), nn.ReLU(), nn.Conv2d(2 * CHANNELS, CHANNELS, 1), nn.ReLU()
        )
        layers = list(zip(SIZES, SIZES[1:], strict=False))
        self.weights = nn.ModuleList(nn.Conv2d(CHANNELS, i * o // SIDE**2, 3, padding=1) for i, o in layers)
        self.biases = nn.ModuleList(nn.Linear(CHANNELS, o) for _, o in layers)
        self.last = nn.Linear(CHANNELS, SIZES[-1] + 1)  # weights and bias of the last layer

    def forward(self, tiles: Tensor) -> Tensor:
        stages = self.backbone(tiles)
        judged = torch.cat([local(stage) for local, stage in zip(self.local, stages, strict=True)], 1)
        content = F.adaptive_avg_pool2d(self.content(stages[-1]), SIDE)
        summary = content.mean((2, 3))
        for weight, bias, size in zip(self.weights, self.biases, SIZES[1:], strict=True):
            made = weight(content).reshape(len(tiles), size, -1)
            judged = torch.sigmoid((made @ judged[..., None])[..., 0] + bias(summary))
        last = self.last(summary)
        return bounded((last[:, :-1] * judged).sum(1, keepdim=True) + last[:, -1:])
