"""The heads: how good is each place and how much does it count; and which artefacts are there, how severe."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import torch
from torch import Tensor, nn

from miqanet_core.model.config import NetworkConfig

DROPOUT = 0.1  # as released
# Share of the plain mean in the weighted one: nothing in float32 (b8's weights add up to hundreds) until all weights vanish,
# where it stands in for 0 / 0.
EPSILON = 1e-6


class NetworkOutput(NamedTuple):
    """What the network says of a batch of tiles, always float32.

    ``score`` (B,): 1 is best and 0 worst; a "relu" head may exceed 1. ``score_map`` (B, h, w): the same of each place of the
    token grid. ``weight_map`` (B, h, w): 0..1, how much each place counts. score = sum(map * weight) / sum(weight).
    ``presence`` (B, K): logits that each of ``config.artifacts`` is there; ``severity`` (B, K): 0..1, how strong it is; K is 0
    without an artefact head. ``features`` (B, F): the means over the tile of all channels of the CNN's levels, then their
    standard deviations, by which a tile may be compared with those that the network was made for.
    """

    score: Tensor
    score_map: Tensor
    weight_map: Tensor
    presence: Tensor
    severity: Tensor
    features: Tensor


def pooled(*feature_maps: Tensor) -> Tensor:
    """Means over the places, then standard deviations: (B, C, h, w), of one size or of several -> (B, 2 sum of C), float32."""
    means, spreads = [], []
    for feature_map in feature_maps:
        places = feature_map.flatten(2).float()
        mean = places.mean(2)
        means.append(mean)
        # torch's std takes one place after the other, six times as long; a root would have no gradient where nothing varies.
        spreads.append(torch.linalg.vector_norm(places - mean[:, :, None], dim=2) / sqrt(places.shape[2] - 1))
    return torch.cat(means + spreads, 1)


class DualHead(nn.Module):
    """Scores and weighs each place, and takes the weighted mean. (B, C, h, w) -> score, score map, weight map."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.score = self._perceptron(config.fused_width, nn.ReLU() if config.score_activation == "relu" else nn.Sigmoid())
        self.weight = self._perceptron(config.fused_width, nn.Sigmoid())

    @staticmethod
    def _perceptron(width: int, activation: nn.Module) -> nn.Sequential:
        return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(width, 1), activation)

    def forward(self, feature_map: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        places = feature_map.permute(0, 2, 3, 1)
        # float32 from here on: a mean over hundreds of places in half precision would cost digits that are reported.
        score_map = self.score(places).squeeze(-1).float()
        weight_map = self.weight(places).squeeze(-1).float()
        weighted = (score_map * weight_map).sum((1, 2)) + EPSILON * score_map.mean((1, 2))
        return weighted / (weight_map.sum((1, 2)) + EPSILON), score_map, weight_map


class ArtifactHead(nn.Module):
    """Which artefacts, and how severe: (B, C, h, w) -> presence logits and severities 0..1, each (B, K), float32."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.count = len(config.artifacts)
        width = config.fused_width
        self.layers = nn.Sequential(
            nn.Linear(2 * width, width), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(width, 2 * self.count)
        )

    def forward(self, feature_map: Tensor) -> tuple[Tensor, Tensor]:
        out = self.layers(pooled(feature_map)).float()
        return out[:, : self.count], out[:, self.count :].sigmoid()
