"""Transposed attention: attention between channels instead of between places."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from miqanet_core.model.attention import attention

DROPOUT = 0.1  # as released


class TransposedAttention(nn.Module):
    """One block: each channel attends to every channel by how alike their maps are. (B, C, N) -> (B, C, N), N tokens.

    softmax(q k^T / sqrt(N)) v, where q, k and v are linear in the N places, then dropout and a residual.
    ``released_reshape``: the released code transposes the product to (B, N, C) and *reshapes* it to (B, C, N), which
    scatters places and channels; its checkpoints were trained with it. Source: MIQANet as released.
    """

    def __init__(self, tokens: int, released_reshape: bool) -> None:
        super().__init__()
        self.released_reshape = released_reshape
        self.query = nn.Linear(tokens, tokens)
        self.key: nn.Module = nn.Linear(tokens, tokens)
        self.value = nn.Linear(tokens, tokens)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        # One head; the extra axis lets torch pick its fused kernels, which want four. Their scale is 1 / sqrt(N) already.
        q, k, v = (linear(x).unsqueeze(1) for linear in (self.query, self.key, self.value))
        mixed = attention(q, k, v).squeeze(1)
        if self.released_reshape:
            mixed = mixed.transpose(1, 2).reshape(x.shape)
        return x + self.dropout(mixed)


class TransposedAttentionBlocks(nn.Sequential):
    """``count`` blocks on a feature map of ``grid`` x ``grid`` places: (B, C, grid, grid) -> the same shape."""

    def __init__(self, count: int, grid: int, released_reshape: bool) -> None:
        super().__init__(*(TransposedAttention(grid * grid, released_reshape) for _ in range(count)))

    def forward(self, feature_map: Tensor) -> Tensor:
        # Once here, or each of the three linear layers would put a channels-last map in order for itself.
        tokens: Tensor = super().forward(feature_map.flatten(2).contiguous())
        return torch.reshape(tokens, feature_map.shape)
