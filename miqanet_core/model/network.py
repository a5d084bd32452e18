"""MIQANet: one network, every variant of it a :class:`NetworkConfig`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from miqanet_core.model.branches import GlobalBranch, LocalBranch
from miqanet_core.model.config import NetworkConfig
from miqanet_core.model.fusion import AdaptiveSum, DeformableConcat
from miqanet_core.model.head import ArtifactHead, DualHead, NetworkOutput, pooled
from miqanet_core.model.swin import SwinStage
from miqanet_core.model.transposed_attention import TransposedAttentionBlocks


class MIQANet(nn.Module):
    """Quality of a tile without a reference: (B, 3, T, T) -> :class:`NetworkOutput`, T = ``config.tile_size``.

    Tiles are normalised to (x - 0.5) / 0.5, so -1..1. The maps have the transformer's token grid (28 x 28 for b8).
    ModelError when the config's parts do not fit together. A call keeps nothing, so threads may share one network.
    Source: MIQANet as released and as published; ``config`` says which.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        width1, width2 = config.stage_widths
        self.global_branch = GlobalBranch(config)
        taps, grid = self.global_branch.width, self.global_branch.grid

        def attention() -> TransposedAttentionBlocks:
            return TransposedAttentionBlocks(config.attention_blocks, grid, config.released_reshape)

        def stage(width: int, mlp_hidden: int) -> SwinStage:
            return SwinStage(width, grid, config.window, config.heads, mlp_hidden, config.stage_layers, config.layer_blocks)

        self.attention1 = attention()
        self.project1 = nn.Conv2d(taps, width1, 1)
        self.stage1 = stage(width1, config.mlp_hidden[0])
        self.attention2 = attention()
        self.project2 = nn.Conv2d(width1, width2, 1)
        self.local_branch = LocalBranch(config, grid)
        self.fusion = DeformableConcat(width2) if config.fusion == "deformable_concat" else AdaptiveSum()
        self.stage2 = stage(config.fused_width, config.mlp_hidden[1])
        self.head = DualHead(config)
        self.artifact_head = ArtifactHead(config) if config.artifacts else None

    def forward(self, tiles: Tensor) -> NetworkOutput:
        """ValueError when ``tiles`` is not (B, 3, T, T)."""
        size = self.config.tile_size
        if tiles.ndim != 4 or tiles.shape[1:] != (3, size, size):
            raise ValueError(f"{self.config.name} takes tiles of (B, 3, {size}, {size}), got {tuple(tiles.shape)}")
        tokens = self.global_branch(tiles)
        levels = self.local_branch.levels(tiles)
        fused = self.fused(tokens, self.local_branch.merged(levels))
        score, score_map, weight_map = self.head(fused)
        none = fused.new_zeros((fused.shape[0], 0), dtype=torch.float32)
        presence, severity = self.artifact_head(fused) if self.artifact_head is not None else (none, none)
        return NetworkOutput(score, score_map, weight_map, presence, severity, pooled(*levels))

    def fused(self, tokens: Tensor, detail: Tensor) -> Tensor:
        """Stage 2's output, what the heads read, of the global and the local branch's maps: (B, fused width, h, w)."""
        x = self.stage1(self.narrowed(tokens, self.attention1, self.project1))
        x = self.narrowed(x, self.attention2, self.project2)
        out: Tensor = self.stage2(self.fusion(x, detail))
        return out

    def narrowed(self, x: Tensor, attention: nn.Module, project: nn.Module) -> Tensor:
        """Transposed attention and the 1x1 convolution, in the order that the config asks for."""
        out: Tensor = attention(project(x)) if self.config.reduce_before_attention else project(attention(x))
        return out
