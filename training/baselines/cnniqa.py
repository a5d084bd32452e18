"""CNNIQA: one convolution on small patches, each of which is to have the whole image's score.

Kang, Ye, Li and Doermann, Convolutional neural networks for no-reference image quality assessment, CVPR 2014.

Simplified: Adam in place of SGD with momentum; patches are those of a tile, side by side, and one without any contrast (air,
padding) is left out, as it cannot have the image's score.
"""

from __future__ import annotations

from torch import Tensor, cat, nn
from torch.nn import functional as F

from baselines.network import PATCH, QualityNetwork, bounded, patches_of, varying

# Half the window of the local contrast normalisation, in pixels, and its constant, one grey level of 255.
REACH, CONSTANT = 3, 1 / 255


def locally_normalised(tiles: Tensor) -> Tensor:
    """(x - mean) / (deviation + 1/255), both over the 7 x 7 pixels around: (B, T, T) -> same."""

    def mean(x: Tensor) -> Tensor:
        padded = F.pad(x[:, None], [REACH] * 4, mode="reflect")
        return F.avg_pool2d(padded, 2 * REACH + 1, stride=1)[:, 0]

    centred = tiles - mean(tiles)
    variance = (mean(tiles**2) - mean(tiles) ** 2).clamp_min(0)
    return centred / (variance.sqrt() + CONSTANT)


class CNNIQA(QualityNetwork):
    """50 kernels of 7 x 7, the greatest and least response of each, two dense layers of 800."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels = nn.Conv2d(1, 50, 7)
        self.dense = nn.Sequential(
            nn.Linear(100, 800), nn.ReLU(), nn.Dropout(0.5), nn.Linear(800, 800), nn.ReLU(), nn.Linear(800, 1)
        )

    def patch_scores(self, tiles: Tensor) -> tuple[Tensor, Tensor]:
        """Score and weight of each patch, (B, N) both."""
        # A patch has 26 x 26 responses that lie inside it; this way they cost one convolution of the tile.
        responses = self.kernels(locally_normalised(tiles)[:, None])
        inside = PATCH - self.kernels.kernel_size[0] + 1
        ends = cat([F.max_pool2d(responses, inside, PATCH), -F.max_pool2d(-responses, inside, PATCH)], 1)
        return bounded(self.dense(ends.flatten(2).transpose(1, 2))), varying(patches_of(tiles))

    def forward(self, tiles: Tensor) -> Tensor:
        score, weight = self.patch_scores(tiles)
        return (score * weight).sum(1) / weight.sum(1)

    def loss(self, tiles: Tensor, score: Tensor) -> Tensor:
        """The absolute error of every patch on its own."""
        found, weight = self.patch_scores(tiles)
        return ((found - score[:, None]).abs() * weight).sum() / weight.sum()
