"""How the two branches become one map."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor, nn
from torchvision.ops import DeformConv2d

INITIAL_SHARE = 0.8  # of the global branch, as released


def _balance() -> nn.Parameter:
    """The adaptive parameter, as the logit of the global branch's share."""
    return nn.Parameter(torch.tensor(log(INITIAL_SHARE / (1 - INITIAL_SHARE))))


class AdaptiveSum(nn.Module):
    """a * global + (1 - a) * local, a = sigmoid(balance) learnable. Two (B, C, h, w) -> (B, C, h, w).

    Source: MIQANet as released.
    """

    def __init__(self) -> None:
        super().__init__()
        self.balance = _balance()

    def forward(self, global_map: Tensor, local_map: Tensor) -> Tensor:
        share = self.balance.sigmoid()
        return share * global_map + (1 - share) * local_map


class DeformableConcat(nn.Module):
    """The transformer tells the CNN where to look. Two (B, C, h, w) -> (B, 2 C, h, w), the global half first.

    A 3x3 convolution predicts, from the global map, a (row, column) offset in tokens for each of the nine taps of a
    deformable 3x3 convolution over the local map. The offsets start at zero: at first it is a plain convolution. The figure
    has one adaptive parameter for two branches; as in the sum, a scales the global half and 1 - a the local one.
    Sources: the published figure of MIQANet; Dai et al., Deformable Convolutional Networks, ICCV 2017.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.balance = _balance()
        self.offsets = nn.Conv2d(width, 2 * 3 * 3, 3, padding=1)
        nn.init.zeros_(self.offsets.weight)
        nn.init.zeros_(self.offsets.bias)  # type: ignore[arg-type]
        self.deform = DeformConv2d(width, width, 3, padding=1)

    def forward(self, global_map: Tensor, local_map: Tensor) -> Tensor:
        share = self.balance.sigmoid()
        local_map = self.deform(local_map, self.offsets(global_map))
        return torch.cat((share * global_map, (1 - share) * local_map), 1)
