"""What the deep baselines have in common: the face that the training loop knows, patches, and pre-trained backbones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backbones import fill_efficientnet_lite0, fill_vit_small
from miqanet_core.errors import ModelError

# Side of the tiles that the networks see, in pixels.
TILE = 224
# Side of a patch, of the methods that look at patches.
PATCH = 32

# Backbones whose weights a registry package ships; timm's hub has those of all others.
PACKAGED: dict[str, Callable[[nn.Module], None]] = {
    "tf_efficientnet_lite0": fill_efficientnet_lite0,
    "vit_small_patch14_dinov2": fill_vit_small,
}


class QualityNetwork(nn.Module):
    """Tiles (B, T, T) in 0..1, grey, T a multiple of 32 -> the score of each, (B,), 0 (worst) to 1 (best), float32.

    The part that may come pre-trained, where there is one, is called ``backbone``. A last layer that is linear in the paper is
    followed by a sigmoid here (:func:`bounded`): opinion scores have two ends, and a baseline is to keep them.
    """

    def loss(self, tiles: Tensor, score: Tensor) -> Tensor:
        """What training makes small, (); ``score`` (B,), 0..1. The mean absolute error, where a paper has nothing else."""
        return F.l1_loss(self(tiles), score)


def bounded(last: Tensor) -> Tensor:
    """The last layer's (..., 1) -> scores (...), 0..1, float32 also where the layer was computed in half precision."""
    return last.squeeze(-1).float().sigmoid()


def patches_of(tiles: Tensor) -> Tensor:
    """(B, T, T) -> (B, N, 32, 32), side by side."""
    return tiles.unfold(1, PATCH, PATCH).unfold(2, PATCH, PATCH).flatten(1, 2)


def varying(patches: Tensor) -> Tensor:
    """1 for each of (B, N, 32, 32) that shows anything, about 0 for padding and perfect air: (B, N). Never all 0."""
    return (patches.amax((2, 3)) > patches.amin((2, 3))) + 1e-6


class Pyramid(nn.Module):
    """The last four stages of a CNN, finest first, each half as fine as the one before it and the last a 32nd of the tile.

    (B, T, T) -> four maps (B, ``widths[i]``, h, w). ``name``: timm's. ModelError when timm has no such CNN or its weights
    cannot be had; without ``pretrained`` they are drawn by torch.
    """

    def __init__(self, name: str, pretrained: bool) -> None:
        super().__init__()
        self.cnn = _created(name, pretrained, features_only=True, out_indices=(-4, -3, -2, -1))
        self.widths: list[int] = self.cnn.feature_info.channels()
        _keep_intensities(self, self.cnn)

    def forward(self, tiles: Tensor) -> list[Tensor]:
        # Channels last: depthwise convolutions on a CPU take half the time.
        stages: list[Tensor] = self.cnn(_coloured(self, tiles).contiguous(memory_format=torch.channels_last))
        return stages


class Tokens(nn.Module):
    """The maps of some of a vision transformer's blocks side by side: (B, 224, 224) -> (B, ``width``, grid, grid).

    ``name``: timm's, of patch 16 where that may be chosen. ``blocks``: counted from 0. ModelError as for :class:`Pyramid`.
    """

    def __init__(self, name: str, pretrained: bool, blocks: tuple[int, ...]) -> None:
        super().__init__()
        self.blocks = blocks
        # DINOv2's patches of 14 do not divide the tile into windows; its weights are resampled.
        options = {"patch_size": 16} if "patch14" in name else {}
        self.vit = _created(
            name,
            pretrained,
            lambda vit: vit.prune_intermediate_layers(list(blocks), prune_norm=True, prune_head=True),
            img_size=TILE,
            **options,
        )
        self.width: int = self.vit.embed_dim * len(blocks)
        self.grid: int = self.vit.patch_embed.grid_size[0]
        _keep_intensities(self, self.vit)

    def forward(self, tiles: Tensor) -> Tensor:
        maps = self.vit.forward_intermediates(
            _coloured(self, tiles), indices=list(self.blocks), norm=False, stop_early=True, intermediates_only=True
        )
        return torch.cat(maps, 1)


def _created(name: str, pretrained: bool, cut: Callable[[Any], Any] = lambda backbone: None, **options: Any) -> Any:
    """timm's model ``name`` with ``options``, ``cut`` before the packaged weights are filled in: they may hold less."""
    if not timm.is_model(name):
        raise ModelError(f"timm {timm.__version__} knows no model {name!r}; name another backbone")
    packaged = PACKAGED.get(name)
    try:
        backbone = timm.create_model(name, pretrained=pretrained and packaged is None, **options)
        cut(backbone)
    except Exception as error:  # the hub's client has its own errors, and the sockets under it theirs
        reason = (str(error).splitlines() or [""])[0][:200]
        raise ModelError(
            f"the backbone {name!r} cannot be had ({type(error).__name__}: {reason}); run once where timm reaches its hub, "
            f"which keeps a copy, or take one that a package ships: {', '.join(PACKAGED)}"
        ) from error
    if pretrained and packaged is not None:
        packaged(backbone)
    return backbone


def _keep_intensities(module: nn.Module, backbone: Any) -> None:
    """Remember the mean and deviation of the pictures that the backbone was trained on."""
    for name in ("mean", "std"):
        values = torch.tensor(backbone.pretrained_cfg[name])
        module.register_buffer(name, values[:, None, None], persistent=False)


def _coloured(module: nn.Module, tiles: Tensor) -> Tensor:
    """(B, T, T) in 0..1 -> (B, 3, T, T) as the backbone's pictures were scaled."""
    coloured: Tensor = (tiles[:, None] - module.mean) / module.std  # type: ignore[operator]
    return coloured
