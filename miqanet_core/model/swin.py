"""The scale-Swin stage: shifted-window attention, a convolution, and a residual that is scaled down."""

from __future__ import annotations

import torch
from timm.layers import DropPath
from torch import Tensor, nn
from torch.nn import functional as F

from miqanet_core.model.attention import attention

DROPOUT = 0.1  # as released
STOCHASTIC_DEPTH = 0.1  # of the stage's last block; 0 at its first
RESIDUAL_SCALE = 0.13


def _relative_position_index(window: int) -> Tensor:
    """(window^2, window^2): which entry of the bias table belongs to each pair of places in a window."""
    steps = torch.arange(window)
    row, column = (axis.flatten() for axis in torch.meshgrid(steps, steps, indexing="ij"))
    rows = row[:, None] - row[None, :] + window - 1
    columns = column[:, None] - column[None, :] + window - 1
    return rows * (2 * window - 1) + columns


def _windows(x: Tensor, window: int) -> Tensor:
    """(B, H, W, C) -> (B, windows, window^2, C)."""
    b, h, w, c = x.shape
    x = x.reshape(b, h // window, window, w // window, window, c).transpose(2, 3)
    return x.reshape(b, (h // window) * (w // window), window * window, c)


def _unwindows(x: Tensor, window: int, grid: int) -> Tensor:
    """(B, windows, window^2, C) -> (B, grid, grid, C), the inverse of :func:`_windows`."""
    b, _, _, c = x.shape
    side = grid // window
    return x.reshape(b, side, side, window, window, c).transpose(2, 3).reshape(b, grid, grid, c)


def _shift_mask(grid: int, window: int, shift: int) -> Tensor:
    """(windows, window^2, window^2): -100 between places that only the cyclic shift made neighbours, else 0."""
    # Along one axis a shifted map has three regions; places of different regions must not see each other.
    region = torch.zeros(grid, dtype=torch.long)
    region[-window:-shift] = 1
    region[-shift:] = 2
    regions = _windows((3 * region[:, None] + region[None, :])[None, :, :, None], window)[0, :, :, 0]
    return torch.where(regions[:, :, None] == regions[:, None, :], 0.0, -100.0)


class WindowAttention(nn.Module):
    """Multi-head attention inside windows, with a learned bias by relative position. (B, windows, window^2, C) -> same."""

    relative_position_index: Tensor
    mask: Tensor

    def __init__(self, width: int, heads: int, window: int, mask: Tensor) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.relative_position_bias = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias, std=0.02)
        # Both follow from the sizes, so neither is kept in a weights file.
        self.register_buffer("relative_position_index", _relative_position_index(window), persistent=False)
        self.register_buffer("mask", mask[:, None], persistent=False)  # (windows or 1, 1, window^2, window^2)

    def forward(self, x: Tensor) -> Tensor:
        b, windows, places, c = x.shape
        # Windows and heads share one axis: four axes, and a bias that is the same for all of the batch.
        qkv = self.qkv(x).reshape(b, windows, places, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(3, 0, 1, 4, 2, 5).flatten(2, 3).unbind(0)
        bias = self.relative_position_bias[self.relative_position_index].permute(2, 0, 1) + self.mask
        bias = bias.expand(windows, -1, -1, -1).flatten(0, 1).to(q.dtype)
        x = attention(q, k, v, bias[None])
        x = x.reshape(b, windows, self.heads, places, -1).transpose(2, 3).flatten(3)
        out: Tensor = self.proj(x)
        return out


class SwinBlock(nn.Module):
    """Window attention, then an MLP, each normalised first and added back. (B, grid, grid, C) -> same.

    ``shift``: places by which the map is rolled before it is cut into windows; 0 for none. ``drop_path``: probability 0..1
    with which a sample skips each half in training. Source: Liu et al., Swin Transformer, ICCV 2021.
    """

    def __init__(self, width: int, grid: int, window: int, shift: int, heads: int, mlp_hidden: int, drop_path: float) -> None:
        super().__init__()
        self.grid, self.window, self.shift = grid, window, shift
        mask = _shift_mask(grid, window, shift) if shift else torch.zeros(1, window * window, window * window)
        self.norm1 = nn.LayerNorm(width)
        self.attention = WindowAttention(width, heads, window, mask)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, mlp_hidden), nn.GELU(), nn.Linear(mlp_hidden, width))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        if self.shift:
            y = torch.roll(y, (-self.shift, -self.shift), (1, 2))
        y = _unwindows(self.attention(_windows(y, self.window)), self.window, self.grid)
        if self.shift:
            y = torch.roll(y, (self.shift, self.shift), (1, 2))
        x = x + self.drop_path(y)
        out: Tensor = x + self.drop_path(self.mlp(self.norm2(x)))
        return out


class SwinLayer(nn.Module):
    """Swin blocks, every second one shifted, then a 3x3 convolution and ReLU. (B, C, grid, grid) -> same."""

    def __init__(self, width: int, grid: int, window: int, heads: int, mlp_hidden: int, drop_paths: list[float]) -> None:
        super().__init__()
        # One window that covers the whole map has no neighbours to shift towards.
        shift = window // 2 if grid > window else 0
        self.blocks = nn.Sequential(
            *(SwinBlock(width, grid, window, shift * (i % 2), heads, mlp_hidden, drop) for i, drop in enumerate(drop_paths))
        )
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return F.relu(self.conv(x))


class SwinStage(nn.Module):
    """Dropout, then layers that each add 0.13 of their output. (B, width, grid, grid) -> same. No final norm.

    ``grid``: side of the map in tokens, a multiple of ``window``. Source: MIQANet as released.
    """

    def __init__(self, width: int, grid: int, window: int, heads: int, mlp_hidden: int, layers: int, layer_blocks: int) -> None:
        super().__init__()
        rates = torch.linspace(0, STOCHASTIC_DEPTH, layers * layer_blocks, device="cpu").tolist()
        self.dropout = nn.Dropout(DROPOUT)
        self.layers = nn.ModuleList(
            SwinLayer(width, grid, window, heads, mlp_hidden, rates[i : i + layer_blocks])
            for i in range(0, layers * layer_blocks, layer_blocks)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(x)
        for layer in self.layers:
            x = x + RESIDUAL_SCALE * layer(x)
        return x
