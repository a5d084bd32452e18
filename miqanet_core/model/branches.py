"""The two eyes of the network: a vision transformer for the whole tile, a CNN for fine detail."""

from __future__ import annotations

from math import ceil
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from miqanet_core.errors import ModelError
from miqanet_core.model.config import NetworkConfig


def create_global_backbone(config: NetworkConfig, pretrained: bool = False) -> Any:
    """timm's vision transformer of ``config``, cut after its last tapped block: no final norm, no head.

    ModelError when timm has no such model, it is no vision transformer or it has too few blocks.
    ``pretrained`` loads timm's weights, resampled to the tile and patch size; see :func:`factory.create_model`.
    """
    options: dict[str, Any] = {"img_size": config.tile_size}
    if config.global_patch_size is not None:
        options["patch_size"] = config.global_patch_size
    return _create_backbone("global_backbone", config.global_backbone, config.global_blocks, pretrained, options)


def create_local_backbone(config: NetworkConfig, pretrained: bool = False) -> Any:
    """timm's CNN of ``config``, cut after its last tapped level; the stem's max-pool is left out where the config says so.

    ModelError when timm has no such model, it gives no feature levels, or there is no max-pool to leave out.
    """
    backbone = _create_backbone("local_backbone", config.local_backbone, config.local_levels, pretrained, {})
    if not config.local_stem_pool:
        if not hasattr(backbone, "maxpool"):
            raise ModelError(f"local_backbone {config.local_backbone!r} has no stem max-pool to leave out")
        backbone.maxpool = nn.Identity()
    if not pretrained:
        # timm starts the last batch norm of a ResNet block at gain 0, which keeps the block's convolutions from learning in the
        # first step. Ours are shallow enough to start at 1.
        for module in backbone.modules():
            if isinstance(module, nn.BatchNorm2d) and not module.weight.is_meta and not module.weight.any():
                nn.init.ones_(module.weight)
    return backbone


def _create_backbone(role: str, name: str, taps: tuple[int, ...], pretrained: bool, options: dict[str, Any]) -> Any:
    # A name that is not in timm's own list could send timm to a hub, with a weights file's author choosing the address.
    if not timm.is_model(name):
        raise ModelError(f"{role} {name!r} is not a model that timm {timm.__version__} knows")
    try:
        backbone: Any = timm.create_model(name, pretrained=pretrained, **options)
    except TypeError as error:
        raise ModelError(f"{role} {name!r} cannot be built with {options}: {error}") from None
    if not hasattr(backbone, "forward_intermediates") or (role == "global_backbone") != hasattr(backbone, "patch_embed"):
        kind = "vision transformer" if role == "global_backbone" else "CNN with feature levels"
        raise ModelError(f"{role} {name!r} is not a {kind}")
    available = len(backbone.blocks) if role == "global_backbone" else len(backbone.feature_info)
    if max(taps) >= available:
        raise ModelError(f"{role} {name!r} has {available} places to tap, counted from 0; {max(taps)} is asked for")
    backbone.prune_intermediate_layers(list(taps), prune_norm=True, prune_head=True)
    return backbone


def _tapped(backbone: Any, tiles: Tensor, taps: tuple[int, ...], form: str) -> list[Tensor]:
    """The tapped maps, ``form`` NCHW or NLC each: plain return values, so no hooks and nothing kept between calls."""
    maps: list[Tensor] = backbone.forward_intermediates(
        tiles, indices=list(taps), norm=False, stop_early=True, intermediates_only=True, output_fmt=form
    )
    return maps


class GlobalBranch(nn.Module):
    """Patch tokens of the tapped transformer blocks side by side. (B, 3, T, T) -> (B, width, grid, grid).

    Class and register tokens are dropped. ``width``: channels, all taps together. ``grid``: side of the map, in tokens.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.taps = config.global_blocks
        self.backbone = create_global_backbone(config)
        self.width: int = self.backbone.embed_dim * len(self.taps)
        rows, columns = self.backbone.patch_embed.grid_size
        if rows != columns or rows % config.window:
            raise ModelError(
                f"{config.name}: {config.global_backbone} makes {rows} x {columns} tokens of a {config.tile_size} px tile, "
                f"which windows of {config.window} do not divide; choose another tile_size, patch size or window"
            )
        self.grid: int = rows

    def forward(self, tiles: Tensor) -> Tensor:
        tokens = torch.cat(_tapped(self.backbone, tiles, self.taps, "NLC"), 2)
        # A view, channels last: as the tokens lie in memory.
        return tokens.transpose(1, 2).unflatten(2, (self.grid, self.grid))


def to_grid(feature_map: Tensor, grid: int) -> Tensor:
    """(B, C, n, n) -> (B, C, grid, grid), n and grid being multiples one of the other.

    A finer map is averaged. A coarser one is *tiled*: copied periodically, as the released network does; it is no upsampling.
    """
    side = feature_map.shape[-1]
    if side > grid:
        return F.avg_pool2d(feature_map, side // grid)
    if side < grid:
        return feature_map.repeat(1, 1, grid // side, grid // side)
    return feature_map


class LocalBranch(nn.Module):
    """CNN levels on the token grid, narrowed to ``config.stage_widths[1]`` channels. (B, 3, T, T) -> (B, C, grid, grid).

    The levels meet on the finest of their grids that is no finer than the tokens', are concatenated, pass a 1x1
    convolution without bias and a batch norm, and only then are tiled to the tokens' grid: tiling earlier would give the same
    numbers for more work.
    """

    def __init__(self, config: NetworkConfig, grid: int) -> None:
        super().__init__()
        self.taps, self.grid = config.local_levels, grid
        self.backbone = create_local_backbone(config)
        levels = [self.backbone.feature_info[i] for i in self.taps]
        # Without the stem's pool every level but the stem itself is twice as fine as timm's table says.
        halved = [not config.local_stem_pool and i > 0 for i in self.taps]
        reductions = [level["reduction"] // (2 if half else 1) for level, half in zip(levels, halved, strict=True)]
        sides = [ceil(config.tile_size / r) for r in reductions]
        for side in sides:
            if side % grid and grid % side:
                raise ModelError(f"{config.name}: a CNN level of {side} x {side} does not fit the {grid} x {grid} token grid")
        self.common_grid = min(grid, max(sides))
        self.level_width: int = sum(level["num_chs"] for level in levels)
        self.project = nn.Conv2d(self.level_width, config.stage_widths[1], 1, bias=False)
        self.norm = nn.BatchNorm2d(config.stage_widths[1])

    def levels(self, tiles: Tensor) -> list[Tensor]:
        """The tapped levels as the CNN gives them, ``level_width`` channels in all: (B, 3, T, T) -> (B, c, n, n) each."""
        # Channels last: depthwise convolutions on a CPU take half the time, and no device is slower for it.
        return _tapped(self.backbone, tiles.contiguous(memory_format=torch.channels_last), self.taps, "NCHW")

    def merged(self, levels: list[Tensor]) -> Tensor:
        """What :meth:`forward` gives, of the levels."""
        side_by_side = torch.cat([to_grid(level, self.common_grid) for level in levels], 1)
        return to_grid(self.norm(self.project(side_by_side)), self.grid)

    def forward(self, tiles: Tensor) -> Tensor:
        return self.merged(self.levels(tiles))
