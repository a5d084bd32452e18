"""WaDIQaM-NR: a deep network of 3 x 3 convolutions on patches, which scores each and says how much it counts.

Bosse, Maniry, Mueller, Wiegand and Samek, Deep neural networks for no-reference and full-reference image quality assessment,
IEEE Transactions on Image Processing 27, 2018.

Simplified: grey input; patches are drawn from one tile of the image, not from all of it, and one without any contrast (air,
padding) has no weight.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.network import QualityNetwork, bounded, patches_of, varying

# Channels between the halvings, by which a patch of 32 x 32 pixels becomes one place.
WIDTHS = (32, 64, 128, 256, 512)
# Patches drawn from each tile in training.
DRAWN = 32
# Below it no weight falls, so that there is always something to divide by.
LEAST_WEIGHT = 1e-6


class WaDIQaM(QualityNetwork):
    """Ten convolutions, then two heads of two dense layers each."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((1, *WIDTHS), WIDTHS, strict=False):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
            layers += [nn.Conv2d(after, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers, nn.Flatten())
        for module in self.features:
            if isinstance(module, nn.Conv2d):  # ten layers deep, torch's own start leaves nothing of the signal
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        self.score, self.weight = (
            nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, 1)) for _ in range(2)
        )

    def forward(self, tiles: Tensor) -> Tensor:
        return self._weighted(patches_of(tiles))

    def loss(self, tiles: Tensor, score: Tensor) -> Tensor:
        """The absolute error of the weighted mean over patches drawn at random."""
        patches = patches_of(tiles)
        drawn = torch.randperm(patches.shape[1])[:DRAWN].to(patches.device)
        return F.l1_loss(self._weighted(patches[:, drawn]), score)

    def _weighted(self, patches: Tensor) -> Tensor:
        features = self.features(patches.flatten(0, 1)[:, None])
        score = bounded(self.score(features)).view(patches.shape[:2])
        weight = F.relu(self.weight(features).float()).view(patches.shape[:2]) + LEAST_WEIGHT
        weight = weight * varying(patches)
        return (score * weight).sum(1) / weight.sum(1)
